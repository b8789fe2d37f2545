/**
 * Reads the tokenizer of a Hugging Face folder: tokenizer.json, completed by the other config files.
 * Source: https://github.com/huggingface/tokenizers and transformers' tokenization_utils_tokenizers.py. Unlike transformers 5,
 * which rebuilds some tokenizers from their class, Espalier always follows the file.
 */
import type { DecoderStep, Merge, Template, TokenizerSpec } from '../tokenizer/spec.ts';
import { isId, JsonValue } from './jsonValue.ts';
import { readAddedTokens } from './tokenizerJson/addedTokens.ts';
import { readDecoder } from './tokenizerJson/decoder.ts';
import { readNormalizer } from './tokenizerJson/normalizer.ts';
import { readPostProcessor } from './tokenizerJson/postProcessor.ts';
import { readPreTokenizer } from './tokenizerJson/preTokenizer.ts';

/** Parsed files of a folder. All but the first are optional. */
export interface TokenizerFiles {
  readonly tokenizer: unknown;
  readonly tokenizerConfig?: unknown;
  readonly specialTokensMap?: unknown;
  readonly addedTokens?: unknown;
  readonly generationConfig?: unknown;
  /** config.json. Its EOS is used if there is no generation_config.json. */
  readonly config?: unknown;
}

const kinds = { BPE: 'bpe', Unigram: 'unigram', WordPiece: 'wordpiece', WordLevel: 'wordlevel' } as const;

/**
 * @param file name of tokenizer.json for error messages
 * @throws {FormatError} naming key, expected and found; {UnsupportedError} for unknown parts
 */
export function tokenizerFromHuggingFace(files: TokenizerFiles, file: string): TokenizerSpec {
  const root = new JsonValue(files.tokenizer, '', file);
  const beside = (value: unknown, name: string) =>
    new JsonValue(value ?? {}, '', file.replace(/tokenizer\.json$/, name));
  const config = beside(files.tokenizerConfig, 'tokenizer_config.json');
  const model = root.get('model');
  // old files have no type
  const kind = kinds[model.get('type').oneOf(Object.keys(kinds) as (keyof typeof kinds)[], 'BPE')];
  if (!(model.get('dropout').isAbsent() || model.get('dropout').value === 0))
    throw model.get('dropout').unsupported(String(model.get('dropout').value), ['no dropout']);

  const { tokens, scores } =
    kind === 'unigram' ? readPieces(model.get('vocab')) : { tokens: readVocabulary(root), scores: undefined };
  const { added, special } = readAddedTokens(
    root,
    config,
    beside(files.specialTokensMap, 'special_tokens_map.json'),
    beside(files.addedTokens, 'added_tokens.json'),
    tokens,
  );
  const ids = new Map(tokens.map((text, id) => [text, id]));
  const idOf = (text: string | undefined): number | undefined => (text === undefined ? undefined : ids.get(text));
  const named = { bos: idOf(special.bos), eos: idOf(special.eos) };
  const framed = readFrame(root.get('post_processor'), config, tokens.length, named);
  // without named BOS and EOS, use the tokens that the template puts around a text
  const [before, after] = edgesOf(framed.template);
  const bos = named.bos ?? (special.bos === undefined ? before : undefined);
  const eos = named.eos ?? (special.eos === undefined ? after : undefined);
  const unknown =
    kind === 'unigram'
      ? readUnknownId(model.get('unk_id'), tokens.length)
      : idOf(model.get('unk_token').string(defaultUnknown(kind)));
  return {
    kind,
    tokens,
    merges: kind === 'bpe' ? readMerges(model.get('merges')) : undefined,
    scores,
    normalizer: readNormalizer(root.get('normalizer')),
    preTokenizer: readPreTokenizer(root.get('pre_tokenizer'), readSpacePrefix(config)),
    decoder: [...readDecoder(root.get('decoder')), ...readCleanup(config, kind)],
    ignoreMerges: model.get('ignore_merges').boolean(false),
    byteFallback: model.get('byte_fallback').boolean(false),
    unknownReplaced: 'before',
    fuseUnknown: model.get('fuse_unk').boolean(false),
    continuingPrefix: model.get('continuing_subword_prefix').string(kind === 'wordpiece' ? '##' : ''),
    wordSuffix: model.get('end_of_word_suffix').string(''),
    maxWordLength: kind === 'wordpiece' ? readMaxLength(model.get('max_input_chars_per_word')) : undefined,
    added,
    splitSpecialTokens: config.get('split_special_tokens').boolean(false),
    bos,
    eos,
    unknown,
    padding: idOf(special.pad),
    specialTokens: special,
    ...framed,
    endOfGeneration: readEndTokens(
      files.generationConfig === undefined
        ? beside(files.config, 'config.json')
        : beside(files.generationConfig, 'generation_config.json'),
    ),
  };
}

/** Tokens by id. Ids may have gaps, but the list must not become much larger than the file. */
function readVocabulary(root: JsonValue): (string | undefined)[] {
  const vocab = root.get('model').get('vocab');
  const added = root.get('added_tokens').list();
  const texts = vocab.object();
  const most = 4 * (Object.keys(texts).length + added.length) + 1024;
  const tokens: (string | undefined)[] = [];
  const put = (text: string, id: number, field: () => JsonValue): void => {
    while (tokens.length <= id) tokens.push(undefined);
    const other = tokens[id];
    if (other !== undefined && other !== text)
      throw field().wrong(`an id that ${JSON.stringify(other.slice(0, 40))} does not have`);
    tokens[id] = text;
  };
  for (const [text, id] of Object.entries(texts)) {
    const field = () => vocab.get(text);
    put(text, isId(id, most) ? id : field().integer(most), field);
  }
  for (const token of added) put(token.get('content').string(), token.get('id').integer(most), () => token.get('id'));
  return tokens;
}

/** [text, score] of each id. */
function readPieces(vocab: JsonValue): { tokens: (string | undefined)[]; scores: Float64Array } {
  const pieces = vocab.array();
  const scores = new Float64Array(pieces.length);
  const tokens = pieces.map((piece, id): string | undefined => {
    if (!Array.isArray(piece) || typeof piece[0] !== 'string' || typeof piece[1] !== 'number')
      throw vocab.get(id).wrong('a text and its score');
    scores[id] = piece[1];
    return piece[0];
  });
  return { tokens, scores };
}

function readUnknownId(field: JsonValue, count: number): number | undefined {
  return field.isAbsent() ? undefined : field.integer(count);
}

function defaultUnknown(kind: TokenizerSpec['kind']): string {
  return kind === 'wordpiece' ? '[UNK]' : kind === 'wordlevel' ? '<unk>' : '';
}

function readMaxLength(field: JsonValue): number {
  return field.isAbsent() ? 100 : field.integer(1 << 16);
}

/** "left right", or [left, right] in newer files. */
function readMerges(merges: JsonValue): Merge[] {
  return merges.array().map((merge, index): Merge => {
    if (typeof merge === 'string') {
      const pair = merge.split(' ');
      if (pair.length === 2 && pair.every((side) => side !== '')) return merge;
    } else if (Array.isArray(merge) && merge.length === 2) {
      const [left, right]: unknown[] = merge;
      if (typeof left === 'string' && typeof right === 'string' && left !== '' && right !== '')
        return left.includes(' ') || right.includes(' ') ? [left, right] : `${left} ${right}`;
    }
    throw merges.get(index).wrong('two texts');
  });
}

/** Returns `add_prefix_space` of tokenizer_config.json, which overrides ByteLevel's. Generic classes follow tokenizer.json. */
function readSpacePrefix(config: JsonValue): boolean | undefined {
  const name = config.get('tokenizer_class');
  const generic = ['PreTrainedTokenizerFast', 'TokenizersBackend'].includes(name.string('TokenizersBackend'));
  const field = config.get('add_prefix_space');
  return generic || field.isAbsent() ? undefined : field.boolean(false);
}

/** `clean_up_tokenization_spaces`, which transformers ignores for BPE. */
function readCleanup(config: JsonValue, kind: TokenizerSpec['kind']): DecoderStep[] {
  return kind !== 'bpe' && config.get('clean_up_tokenization_spaces').boolean(false) ? [{ type: 'cleanup' }] : [];
}

/** Reads the tokens around a text. Without a post-processor, the flags of tokenizer_config.json apply. */
function readFrame(
  postProcessor: JsonValue,
  config: JsonValue,
  count: number,
  { bos, eos }: { readonly bos?: number; readonly eos?: number },
): { template?: Template; addBos: boolean; addEos: boolean } {
  if (postProcessor.isAbsent()) {
    return {
      addBos: bos !== undefined && config.get('add_bos_token').boolean(false),
      addEos: eos !== undefined && config.get('add_eos_token').boolean(false),
    };
  }
  const template = readPostProcessor(postProcessor, count);
  if (!template) return { addBos: false, addEos: false };
  const ids = (template.single ?? []).map(({ part }) => part);
  const text = ids.indexOf('A');
  return { template, addBos: text > 0, addEos: text < ids.length - 1 };
}

/** Returns the single token before the text and the single token after it. */
function edgesOf(template: Template | undefined): [before: number | undefined, after: number | undefined] {
  const parts = (template?.single ?? []).map(({ part }) => part);
  const only = (sides: readonly (number | 'A' | 'B')[]) => (sides.length === 1 ? Number(sides[0]) : undefined);
  const text = parts.indexOf('A');
  return [only(parts.slice(0, Math.max(0, text))), only(parts.slice(text + 1))];
}

/** `eos_token_id`: a number, a list, or absent. */
function readEndTokens(config: JsonValue): number[] {
  const field = config.get('eos_token_id');
  if (field.isAbsent()) return [];
  const fields = Array.isArray(field.value) ? field.list() : [field];
  // -1 means none
  return fields.filter(({ value }) => value !== -1).map((id) => id.integer(Number.MAX_SAFE_INTEGER));
}
