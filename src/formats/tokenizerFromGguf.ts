/**
 * Reads the tokenizer from the metadata of a GGUF file.
 * Source: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md (tokenizer.ggml.*), defaults as in llama.cpp's
 * src/llama-vocab.cpp.
 */
import { FormatError, UnsupportedError } from '../core/errors.ts';
import { spaceFor } from '../tokenizer/decoder.ts';
import { namedPreTokenizer } from '../tokenizer/preTokenizer.ts';
import type { AddedToken, DecoderStep, TokenizerSpec } from '../tokenizer/spec.ts';

/** tokenizer.ggml.token_type */
const TokenType = { unknown: 2, control: 3, userDefined: 4, unused: 5 } as const;
/** Id of an absent token in files: -1 as an unsigned number. */
const NO_TOKEN = 0xffffffff;
const models = ['gpt2', 'llama', 'bert', 't5', 'gemma4'] as const;

/**
 * @param file name for error messages
 * @throws {FormatError} naming key, expected and found; {UnsupportedError} for another kind of tokenizer
 */
export function tokenizerFromGguf(metadata: ReadonlyMap<string, unknown>, file: string): TokenizerSpec {
  const read = reader(metadata, file);
  const name = read.string('tokenizer.ggml.model');
  if (name === undefined) throw read.missing('tokenizer.ggml.model', 'a string');
  const model = models.find((known) => known === name);
  if (model === undefined)
    throw new UnsupportedError('tokenizer.ggml.model', name, models, { file, key: 'tokenizer.ggml.model' });

  const tokens = read.strings('tokenizer.ggml.tokens');
  if (tokens === undefined) throw read.missing('tokenizer.ggml.tokens', 'an array of strings');
  const types = read.numbers('tokenizer.ggml.token_type', tokens.length);
  // an id outside the vocabulary counts as absent, as in llama.cpp
  const token = (key: string, otherwise?: number): number | undefined =>
    read.token(`tokenizer.ggml.${key}_token_id`, tokens.length) ??
    (otherwise !== undefined && otherwise < tokens.length ? otherwise : undefined);
  const flag = (key: string): boolean | undefined => read.boolean(`tokenizer.ggml.${key}`);
  const scores = (): ArrayLike<number> => {
    const found = read.numbers('tokenizer.ggml.scores', tokens.length);
    if (found === undefined) throw read.missing('tokenizer.ggml.scores', 'an array of numbers');
    return found;
  };
  const common = {
    tokens,
    added: addedTokens(tokens, types, read.string('general.name') ?? ''),
    stripped: 'ascii' as const,
    addedVerbatim: true,
    eot: token('eot'),
    eom: token('eom'),
    padding: token('padding'),
    addEos: flag('add_eos_token') ?? false,
  };
  switch (model) {
    case 'llama': {
      const prefixed = flag('add_space_prefix') ?? true;
      return {
        ...common,
        kind: 'spm',
        scores: scores(),
        byteFallback: true,
        normalizer: [...(prefixed ? [{ type: 'prepend', text: '▁' } as const] : []), spaceToMark],
        decoder: markedDecoder(prefixed),
        bos: token('bos', 1),
        eos: token('eos', 2),
        unknown: token('unknown', 0),
        addBos: flag('add_bos_token') ?? true,
      };
    }
    case 't5': {
      const prefixed = flag('add_space_prefix') ?? false;
      const map = read.bytes('tokenizer.ggml.precompiled_charsmap');
      return {
        ...common,
        kind: 'unigram',
        scores: scores(),
        normalizer: [
          ...(map ? [{ type: 'characterMap', map, longest: true } as const] : []),
          ...(flag('remove_extra_whitespaces')
            ? [
                { type: 'replace', pattern: ' +', content: ' ' } as const,
                { type: 'strip', left: true, right: true } as const,
              ]
            : []),
          ...(prefixed ? [{ type: 'prepend', text: '▁' } as const] : []),
          spaceToMark,
        ],
        decoder: markedDecoder(prefixed),
        bos: token('bos'),
        eos: token('eos', 1),
        unknown: token('unknown', 2),
        addBos: flag('add_bos_token') ?? false,
        addEos: flag('add_eos_token') ?? true,
        ...pairTemplate({
          bos: token('bos'),
          eos: token('eos', 1),
          separators: flag('add_sep_token') === false ? 1 : 2,
        }),
      };
    }
    case 'bert': {
      const bos = token('bos', 101) ?? token('cls');
      const sep = token('seperator', 102) ?? token('eos');
      const isLowercase = flag('normalizer.lowercase') ?? true;
      const stripsAccents = flag('normalizer.strip_accents') ?? isLowercase;
      return {
        ...common,
        kind: 'wordpiece',
        normalizer: [
          {
            type: 'bert',
            cleanText: true,
            chineseCharacters: true,
            stripAccents: stripsAccents,
            lowercase: isLowercase,
          },
        ],
        preTokenizer: [
          { characters: 'whiteSpace', behavior: 'removed' },
          { characters: 'punctuation', behavior: 'isolated' },
          { metaspace: '▁', prepend: 'always', split: false },
        ],
        decoder: markedDecoder(true),
        continuingPrefix: '',
        maxWordLength: 1 << 16,
        bos,
        eos: sep,
        unknown: token('unknown', 100),
        addBos: flag('add_bos_token') ?? true,
        addEos: flag('add_eos_token') ?? true,
        ...pairTemplate({ bos, eos: sep, separators: 1, secondType: 1 }),
      };
    }
    case 'gemma4':
      return {
        ...common,
        kind: 'bpe',
        merges: readMerges(read, file),
        byteFallback: true,
        normalizer: [spaceToMark],
        preTokenizer: [{ pattern: '[^\\n]+|[\\n]+' }],
        ignoreMerges: 'lineBreaks',
        decoder: markedDecoder(false),
        bos: token('bos'),
        eos: token('eos'),
        unknown: token('unknown'),
        // llama.cpp adds BOS even if the file says otherwise, as early files did
        addBos: true,
      };
    case 'gpt2': {
      const preTokenizer = read.string('tokenizer.ggml.pre') ?? 'default';
      // its converter asks for two separators, but the models were trained with one
      const isModernBert = read.string('general.architecture') === 'modern-bert';
      // llama.cpp drops bytes that are missing in such a vocabulary, so no unknown token is set
      return {
        ...common,
        kind: 'bpe',
        merges: readMerges(read, file),
        preTokenizer,
        bos: token('bos'),
        eos: token('eos'),
        addBos: flag('add_bos_token') ?? namedPreTokenizer(preTokenizer).addBos ?? false,
        ...(common.addEos
          ? pairTemplate({ bos: token('bos'), eos: token('eos'), separators: isModernBert ? 1 : 2 })
          : {}),
      };
    }
  }
}

interface PairOptions {
  readonly bos: number | undefined;
  readonly eos: number | undefined;
  /** Number of separators between the two texts: RoBERTa has two. */
  readonly separators: number;
  /** Token type of the second text. Default: 0. */
  readonly secondType?: number;
}

/** Template of two texts, as the models' tokenizers in transformers have it: BOS, the first text, EOS once or twice, the second text, EOS. */
function pairTemplate({ bos, eos, separators, secondType = 0 }: PairOptions): Pick<TokenizerSpec, 'template'> {
  if (bos === undefined || eos === undefined) return {};
  const first = [bos, 'A' as const, eos].map((part) => ({ part, type: 0 }));
  const between = Array.from({ length: separators - 1 }, () => ({ part: eos, type: 0 }));
  const second = ['B' as const, eos].map((part) => ({ part, type: secondType }));
  return { template: { pair: [...first, ...between, ...second] } };
}

const spaceToMark = { type: 'replace', pattern: ' ', content: '▁' } as const;

/** Decoder steps: ▁ becomes a space, and byte tokens bytes. Removes the leading space if the vocabulary adds one. */
function markedDecoder(prefixed: boolean): DecoderStep[] {
  return [
    spaceFor('▁'),
    { type: 'byteTokens' },
    ...(prefixed ? [{ type: 'strip', content: ' ', start: 1, stop: 0 } as const] : []),
  ];
}

function readMerges(read: ReturnType<typeof reader>, file: string): readonly string[] {
  const merges = read.strings('tokenizer.ggml.merges');
  if (merges === undefined) throw read.missing('tokenizer.ggml.merges', 'an array of strings');
  const unsplit = merges.findIndex((merge) => merge.indexOf(' ', 1) < 0);
  if (unsplit < 0) return merges;
  const found = JSON.stringify(merges[unsplit].slice(0, 80));
  throw new FormatError(
    file,
    `tokenizer.ggml.merges[${unsplit}] is ${found}, expected two texts with a space between`,
    {
      key: 'tokenizer.ggml.merges',
      index: unsplit,
    },
  );
}

/** Tokens that strip the white space around them. GGUF has no field for it; known only for Phi-3. */
function addedTokens(tokens: readonly string[], types: ArrayLike<number> | undefined, modelName: string): AddedToken[] {
  const isPhi3 = /phi-?3/i.test(modelName);
  const keepSpace = new Set(['<unk>', '<s>', '<|endoftext|>']);
  const added: AddedToken[] = [];
  for (let id = 0; types !== undefined && id < tokens.length; id++) {
    const special = types[id] === TokenType.control || types[id] === TokenType.unknown;
    if (special || types[id] === TokenType.userDefined)
      added.push({ id, special, ...(isPhi3 && !keepSpace.has(tokens[id]) && { rstrip: true }) });
  }
  return added;
}

/** Reads typed values by key. Absent keys are undefined. */
function reader(metadata: ReadonlyMap<string, unknown>, file: string) {
  const wrong = (key: string, found: unknown, expected: string): FormatError =>
    new FormatError(file, `${key} is ${describe(found)}, expected ${expected}`, {
      key,
      found: describe(found),
      expected,
    });
  const array = (key: string): ArrayLike<unknown> | undefined => {
    const value = metadata.get(key);
    if (value === undefined) return undefined;
    if (Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView)))
      return value as ArrayLike<unknown>;
    throw wrong(key, value, 'an array');
  };
  return {
    missing: (key: string, expected: string) =>
      new FormatError(file, `${key} is missing, expected ${expected}`, { key, expected }),
    string(key: string): string | undefined {
      const value = metadata.get(key);
      if (value !== undefined && typeof value !== 'string') throw wrong(key, value, 'a string');
      return value;
    },
    boolean(key: string): boolean | undefined {
      const value = metadata.get(key);
      if (value !== undefined && typeof value !== 'boolean') throw wrong(key, value, 'a boolean');
      return value;
    },
    token(key: string, count: number): number | undefined {
      const value = metadata.get(key);
      if (value === undefined || value === NO_TOKEN || value === -1) return undefined;
      if (typeof value !== 'number' || !Number.isInteger(value)) throw wrong(key, value, 'a token id');
      return value >= 0 && value < count ? value : undefined;
    },
    strings(key: string): readonly string[] | undefined {
      const values = array(key);
      if (values === undefined) return undefined;
      for (let index = 0; index < values.length; index++)
        if (typeof values[index] !== 'string') throw wrong(`${key}[${index}]`, values[index], 'a string');
      // not copied: that would cost 7 MiB at 262,144 tokens
      return Array.isArray(values) ? values : [];
    },
    bytes(key: string): Uint8Array | undefined {
      const values = array(key);
      return values && Uint8Array.from(values as ArrayLike<number>, (value) => Number(value) & 0xff);
    },
    numbers(key: string, count: number): ArrayLike<number> | undefined {
      const values = array(key);
      if (values === undefined) return undefined;
      if (values.length < count) throw wrong(key, values, `one value for each of ${count} tokens`);
      for (let index = 0; index < count; index++)
        if (typeof values[index] !== 'number') throw wrong(`${key}[${index}]`, values[index], 'a number');
      return values as ArrayLike<number>;
    },
  };
}

function describe(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 80));
  if (Array.isArray(value) || ArrayBuffer.isView(value))
    return `an array of ${(value as ArrayLike<unknown>).length} values`;
  return typeof value === 'object' ? 'an object' : String(value);
}
