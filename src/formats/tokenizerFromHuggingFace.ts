/**
 * The tokenizer that a Hugging Face tokenizer.json describes, with what tokenizer_config.json adds.
 *
 * Its pipeline has parts for everything; BPE models use few of them. Those that a `TokenizerSpec` expresses exactly are
 * taken, the others are refused by name.
 * Source: https://github.com/huggingface/tokenizers (tokenizers/src: models/bpe, normalizers, pre_tokenizers).
 */
import { FormatError, UnsupportedError } from '../core/errors.ts';
import { literalPattern } from '../tokenizer/pattern/parse.ts';
import { namedPreTokenizer } from '../tokenizer/preTokenizer.ts';
import type { AddedToken, SplitStage, TokenizerSpec } from '../tokenizer/spec.ts';

/** What normalizers and pre-tokenizers come to. */
interface Pipeline {
  normalize?: TokenizerSpec['normalize'];
  /** Spaces are written as ▁. */
  marksSpaces: boolean;
  spacePrefix?: TokenizerSpec['spacePrefix'];
  spacePrefixOnce?: boolean;
  stages: SplitStage[];
}

interface Frame {
  bos?: number;
  eos?: number;
}

/**
 * @param tokenizerJson the parsed tokenizer.json
 * @param tokenizerConfig the parsed tokenizer_config.json, where there is one
 * @param file as errors name it
 * @throws {FormatError} naming key, expected and found; {UnsupportedError} for parts that no BPE model of ours uses
 */
export function tokenizerFromHuggingFace(
  tokenizerJson: unknown,
  tokenizerConfig: unknown,
  file: string,
): TokenizerSpec {
  const root = new Json(tokenizerJson, '', file);
  const config = new Json(tokenizerConfig ?? {}, 'tokenizer_config', file);
  const model = root.get('model');
  // old files leave the type out
  const type = model.get('type').string('BPE');
  if (type !== 'BPE') throw model.get('type').unsupported(type, ['BPE']);
  for (const key of ['continuing_subword_prefix', 'end_of_word_suffix']) {
    const affix = model.get(key).string('');
    if (affix !== '') throw model.get(key).unsupported(JSON.stringify(affix), ['none']);
  }

  const added = root.get('added_tokens').list();
  const tokens = readTokens(model.get('vocab'), added);
  const ids = new Map(tokens.map((text, id) => [text, id]));
  const idOf = (text: string | undefined): number | undefined => (text === undefined ? undefined : ids.get(text));
  const tokenOf = (name: string): number | undefined => {
    const value = config.get(`${name}_token`);
    return idOf(value.isObject() ? value.get('content').string() : value.string(''));
  };

  const pipeline: Pipeline = { marksSpaces: false, stages: [] };
  readNormalizer(root.get('normalizer'), pipeline);
  readPreTokenizer(root.get('pre_tokenizer'), pipeline);
  const writesBytes = pipeline.stages.includes('bytes');
  if (writesBytes === pipeline.marksSpaces)
    throw root.get('pre_tokenizer').unsupported('a mix of alphabets', ['ByteLevel', 'spaces written as ▁']);
  // bytes at the end need not be said
  const stages = pipeline.stages.at(-1) === 'bytes' ? pipeline.stages.slice(0, -1) : pipeline.stages;

  const frame: Frame = {};
  readPostProcessor(root.get('post_processor'), tokens.length, frame);
  const bos = frame.bos ?? tokenOf('bos');
  const eos = frame.eos ?? tokenOf('eos');
  return {
    kind: writesBytes ? 'bpe' : 'spm',
    tokens,
    merges: readMerges(model.get('merges')),
    preTokenizer: stages,
    ignoreMerges: model.get('ignore_merges').boolean(false),
    normalize: pipeline.normalize,
    spacePrefix: pipeline.spacePrefix,
    spacePrefixOnce: pipeline.spacePrefixOnce,
    byteFallback: model.get('byte_fallback').boolean(false),
    fuseUnknown: model.get('fuse_unk').boolean(false),
    added: added.map(readAddedToken),
    bos,
    eos,
    unknown: idOf(model.get('unk_token').string('')),
    padding: tokenOf('pad'),
    addBos: bos !== undefined && config.get('add_bos_token').boolean(frame.bos !== undefined),
    addEos: eos !== undefined && config.get('add_eos_token').boolean(frame.eos !== undefined),
  };
}

/** Tokens by id. Ids may leave gaps, though not so many that the list outgrows the file. */
function readTokens(vocab: Json, added: readonly Json[]): string[] {
  const texts = vocab.object();
  const most = 4 * (Object.keys(texts).length + added.length) + 1024;
  const tokens: string[] = [];
  const put = (text: string, id: number, field: () => Json): void => {
    while (tokens.length <= id) tokens.push('');
    if (tokens[id] !== '' && tokens[id] !== text)
      throw field().wrong(`an id that ${JSON.stringify(tokens[id].slice(0, 40))} does not have`);
    tokens[id] = text;
  };
  for (const [text, id] of Object.entries(texts)) {
    const field = () => vocab.get(text);
    put(text, isId(id, most) ? id : field().integer(most), field);
  }
  for (const token of added) put(token.get('content').string(), token.get('id').integer(most), () => token.get('id'));
  return tokens;
}

function isId(value: unknown, bound: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < bound;
}

function readAddedToken(token: Json): AddedToken {
  return {
    id: token.get('id').integer(Number.MAX_SAFE_INTEGER),
    special: token.get('special').boolean(false),
    lstrip: token.get('lstrip').boolean(false),
    rstrip: token.get('rstrip').boolean(false),
    singleWord: token.get('single_word').boolean(false),
  };
}

/** "left right", or [left, right] in newer files. */
function readMerges(merges: Json): string[] {
  return merges.array().map((merge, index) => {
    const pair: readonly unknown[] = typeof merge === 'string' ? merge.split(' ') : Array.isArray(merge) ? merge : [];
    if (pair.length !== 2 || !pair.every((side) => typeof side === 'string' && side !== '' && !side.includes(' ')))
      throw merges.get(index).wrong('two texts without a space');
    return pair.join(' ');
  });
}

function readNormalizer(normalizer: Json, pipeline: Pipeline): void {
  if (normalizer.isAbsent()) return;
  const type = normalizer.get('type').string();
  switch (type) {
    case 'Sequence':
      for (const part of normalizer.get('normalizers').list()) readNormalizer(part, pipeline);
      return;
    case 'NFC':
    case 'NFD':
    case 'NFKC':
    case 'NFKD':
      if (pipeline.normalize !== undefined) throw normalizer.unsupported(`${type} after ${pipeline.normalize}`, []);
      pipeline.normalize = type;
      return;
    case 'Prepend':
      normalizer.get('prepend').mustBe('▁');
      pipeline.spacePrefix = 'every-section';
      return;
    case 'Replace':
      normalizer.get('pattern').get('String').mustBe(' ');
      normalizer.get('content').mustBe('▁');
      pipeline.marksSpaces = true;
      return;
    default:
      throw normalizer.unsupported(type, ['Sequence', 'NFC', 'NFD', 'NFKC', 'NFKD', 'Prepend', 'Replace']);
  }
}

function readPreTokenizer(preTokenizer: Json, pipeline: Pipeline): void {
  if (preTokenizer.isAbsent()) return;
  const { stages } = pipeline;
  const type = preTokenizer.get('type').string();
  switch (type) {
    case 'Sequence':
      for (const part of preTokenizer.get('pretokenizers').list()) readPreTokenizer(part, pipeline);
      return;
    case 'ByteLevel':
      if (preTokenizer.get('add_prefix_space').boolean(true)) {
        mustBeFirst(preTokenizer, pipeline);
        pipeline.spacePrefix = 'every-section';
        pipeline.spacePrefixOnce = true;
      }
      if (preTokenizer.get('use_regex').boolean(true))
        stages.push(...namedPreTokenizer('gpt-2').patterns.map((pattern) => ({ pattern })));
      stages.push('bytes');
      return;
    case 'Metaspace': {
      mustBeFirst(preTokenizer, pipeline);
      preTokenizer.get('replacement').mustBe('▁');
      const always = preTokenizer.get('add_prefix_space').boolean(true) ? 'always' : 'never';
      const scheme = preTokenizer.get('prepend_scheme').oneOf(['always', 'first', 'never'] as const, always);
      if (scheme !== 'never') pipeline.spacePrefix = scheme === 'always' ? 'every-section' : 'first-section';
      pipeline.spacePrefixOnce = true;
      pipeline.marksSpaces = true;
      if (preTokenizer.get('split').boolean(true)) stages.push({ pattern: '▁', behavior: 'merged-with-next' });
      return;
    }
    case 'Split': {
      const pattern = preTokenizer.get('pattern');
      const literal = pattern.get('String');
      stages.push({
        pattern: literal.isAbsent() ? rubyLineEnds(pattern.get('Regex').string()) : literalPattern(literal.string()),
        behavior: readBehavior(preTokenizer.get('behavior')),
        invert: preTokenizer.get('invert').boolean(false),
      });
      return;
    }
    case 'Digits': {
      const single = preTokenizer.get('individual_digits').boolean(false);
      stages.push({ pattern: '\\p{N}', behavior: single ? 'isolated' : 'contiguous' });
      return;
    }
    case 'Punctuation':
      stages.push({ pattern: '[\\p{P}!-/:-@\\[-`{-~]', behavior: readBehavior(preTokenizer.get('behavior')) });
      return;
    case 'WhitespaceSplit':
      stages.push({ pattern: '\\s', behavior: 'removed' });
      return;
    default:
      throw preTokenizer.unsupported(type, [
        'Sequence',
        'ByteLevel',
        'Metaspace',
        'Split',
        'Digits',
        'Punctuation',
        'WhitespaceSplit',
      ]);
  }
}

/** A space before the text, not before each piece of it. */
function mustBeFirst(preTokenizer: Json, { stages }: Pipeline): void {
  if (stages.length > 0) throw preTokenizer.unsupported('a space prefix after a split', []);
}

const behaviors = {
  Removed: 'removed',
  Isolated: 'isolated',
  MergedWithPrevious: 'merged-with-previous',
  MergedWithNext: 'merged-with-next',
  Contiguous: 'contiguous',
} as const;

function readBehavior(behavior: Json): (typeof behaviors)[keyof typeof behaviors] {
  return behaviors[behavior.oneOf(Object.keys(behaviors) as (keyof typeof behaviors)[], 'Isolated')];
}

/** The patterns of these files are Ruby's, where $ is also the end of each line. */
function rubyLineEnds(pattern: string): string {
  return pattern.replace(/\\.|\$/gsu, (part) => (part === '$' ? '(?=\\n|$)' : part));
}

/** Special tokens that a template puts around the text. */
function readPostProcessor(postProcessor: Json, count: number, frame: Frame): void {
  if (postProcessor.isAbsent()) return;
  const type = postProcessor.get('type').string();
  if (type === 'ByteLevel') return;
  if (type === 'Sequence') {
    for (const part of postProcessor.get('processors').list()) readPostProcessor(part, count, frame);
    return;
  }
  if (type !== 'TemplateProcessing')
    throw postProcessor.unsupported(type, ['ByteLevel', 'Sequence', 'TemplateProcessing']);
  const single = postProcessor.get('single').list();
  const text = single.findIndex((part) => part.get('Sequence').isObject());
  const before = single.slice(0, Math.max(text, 0));
  const after = single.slice(text + 1);
  if (text < 0 || before.length > 1 || after.length > 1)
    throw postProcessor.get('single').unsupported('this template', ['at most one token before the text and one after']);
  const idOf = (part: Json): number => {
    const name = part.get('SpecialToken').get('id').string();
    return postProcessor.get('special_tokens').get(name).get('ids').get(0).integer(count);
  };
  if (before.length === 1) frame.bos = idOf(before[0]);
  if (after.length === 1) frame.eos = idOf(after[0]);
}

/** A value of the file with its path, for errors. null and absent are the same. */
class Json {
  readonly value: unknown;
  readonly #path: string;
  readonly #file: string;

  constructor(value: unknown, path: string, file: string) {
    this.value = value;
    this.#path = path;
    this.#file = file;
  }

  /** A field of an object or an element of an array. @throws {FormatError} for a field of anything else */
  get(key: string | number): Json {
    const name = String(key).slice(0, 40);
    const path =
      typeof key === 'number' ? `${this.#path}[${name}]` : this.#path === '' ? name : `${this.#path}.${name}`;
    if (typeof this.value !== 'object' || this.value === null)
      throw this.wrong(typeof key === 'number' ? 'an array' : 'an object');
    const found = Object.hasOwn(this.value, key) ? (this.value as Record<string | number, unknown>)[key] : undefined;
    return new Json(found, path, this.#file);
  }

  isAbsent(): boolean {
    return this.value === undefined || this.value === null;
  }

  isObject(): boolean {
    return typeof this.value === 'object' && this.value !== null && !Array.isArray(this.value);
  }

  string(otherwise?: string): string {
    if (this.isAbsent() && otherwise !== undefined) return otherwise;
    if (typeof this.value !== 'string') throw this.wrong('a string');
    return this.value;
  }

  boolean(otherwise: boolean): boolean {
    if (this.isAbsent()) return otherwise;
    if (typeof this.value !== 'boolean') throw this.wrong('true or false');
    return this.value;
  }

  /** At least 0, below `bound`. */
  integer(bound: number): number {
    if (!isId(this.value, bound)) throw this.wrong(`an integer from 0 to ${bound - 1}`);
    return this.value;
  }

  oneOf<T extends string>(values: readonly T[], otherwise: T): T {
    if (this.isAbsent()) return otherwise;
    const found = values.find((value) => value === this.value);
    if (found === undefined) throw this.unsupported(describe(this.value), values);
    return found;
  }

  mustBe(text: string): void {
    if (this.value !== text) throw this.unsupported(describe(this.value), [JSON.stringify(text)]);
  }

  /** Elements; none where absent. */
  array(): readonly unknown[] {
    if (this.isAbsent()) return [];
    if (!Array.isArray(this.value)) throw this.wrong('an array');
    return this.value;
  }

  list(): Json[] {
    return this.array().map((_, index) => this.get(index));
  }

  object(): Readonly<Record<string, unknown>> {
    if (!this.isObject()) throw this.wrong('an object');
    return this.value as Record<string, unknown>;
  }

  wrong(expected: string): FormatError {
    const found = describe(this.value);
    return new FormatError(this.#file, `${this.#path || 'the file'} is ${found}, expected ${expected}`, {
      key: this.#path,
      expected,
      found,
    });
  }

  unsupported(found: string, supported: readonly string[]): UnsupportedError {
    return new UnsupportedError(`${this.#file}: ${this.#path}`, found, supported, {
      file: this.#file,
      key: this.#path,
    });
  }
}

function describe(value: unknown): string {
  if (value === undefined) return 'missing';
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 80));
  if (Array.isArray(value)) return `an array of ${value.length} values`;
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
}
