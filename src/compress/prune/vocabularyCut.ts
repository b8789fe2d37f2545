/**
 * The vocabulary without tokens that a text never uses. Every text that could be encoded still can, and one whose tokens are all kept has the
 * same tokens as before: special tokens, tokens that end a generation, those of the chat template, single bytes, and the tokens that
 * merges to kept tokens go through stay. Without all byte tokens, single characters stay, too.
 */
import { FormatError, UnsupportedError } from '../../core/errors.ts';
import type { Checkpoint } from '../../formats/checkpoint.ts';
import { letterOfByte } from '../../tokenizer/byteAlphabet.ts';
import { sidesOf } from '../../tokenizer/merge/mergeRules.ts';
import { byteToken } from '../../tokenizer/models/tokenModel.ts';
import { createTokenizer } from '../../tokenizer/tokenizer.ts';
import { chatTemplateTexts } from './chatTemplateTexts.ts';

export interface VocabularyCut {
  /** Ids of the kept tokens in the source, ascending: the new id is the index. */
  readonly kept: Int32Array;
  /** Size of the vocabulary before. */
  readonly before: number;
  readonly metadata: ReadonlyMap<string, unknown>;
}

/** Kinds of tokenizers (tokenizer.ggml.model) whose tokens come from merges. */
const KINDS = ['gpt2', 'llama', 'gemma4'];
/** Token types of GGUF that stay: unknown, control, user-defined, byte. */
const KEPT_TYPES: readonly unknown[] = [2, 3, 4, 6];
const BYTE_TOKEN = /^<0x[0-9A-F]{2}>$/;
/** Keys with a value for each token, and those that say nothing of single tokens. */
const PER_TOKEN = /^tokenizer\.ggml\.(tokens|scores|token_type)$/;
const UNCHANGED =
  /^tokenizer\.(chat_template.*|ggml\.(model|pre|add_\w+|remove_extra_whitespaces|precompiled_charsmap|token_type_count|escape_whitespaces|normalizer\.\w+))$/;
const ID = /^tokenizer\.ggml\.(\w+)_token_id$/;
export const MERGES = 'tokenizer.ggml.merges';
/** All of the tokenizer a second time, which nothing reads. */
const COPY = 'tokenizer.huggingface.json';

/**
 * @param text its tokens are kept
 * @throws {UnsupportedError} for a tokenizer that is not made of merges, or with keys whose tokens are not known
 * @throws {FormatError} if an id that must stay is outside the vocabulary
 */
export function vocabularyCut(
  {
    name,
    metadata,
    tokenizer: spec,
    chatTemplate,
  }: Pick<Checkpoint, 'name' | 'metadata' | 'tokenizer' | 'chatTemplate'>,
  text: string,
): VocabularyCut {
  const model = String(metadata.get('tokenizer.ggml.model') ?? 'none');
  const what = `${name}: cutting the vocabulary of a tokenizer`;
  if (!spec || !KINDS.includes(model)) throw new UnsupportedError(`${what} of the kind`, model, KINDS);
  const other = [...metadata.keys()].find((key) => key.startsWith('tokenizer.') && !isKnown(key));
  if (other !== undefined) throw new UnsupportedError(`${what} with the key`, other);
  const tokens = metadata.get('tokenizer.ggml.tokens') as readonly string[];
  const types = metadata.get('tokenizer.ggml.token_type') as ArrayLike<unknown> | undefined;
  const merges = metadata.get(MERGES) as readonly string[] | undefined;
  const tokenizer = createTokenizer(spec);
  const needed = new Set<number>(tokenizer.encode(text));
  for (const prompt of chatTemplateTexts(chatTemplate, tokenizer.specialTokens))
    for (const id of tokenizer.encode(prompt)) needed.add(id);
  // some are known by their text alone
  for (const id of tokenizer.endOfGeneration) needed.add(id);
  for (const { id } of spec.added) needed.add(id);
  for (const id of [spec.bos, spec.eos, spec.eot, spec.eom, spec.unknown, spec.padding])
    if (id !== undefined) needed.add(id);
  for (const [key, value] of metadata) if (ID.test(key) && isToken(value, tokens)) needed.add(value);
  const letters = new Set(letterOfByte);
  // a character without a token is written in byte tokens, and is lost if one of them is missing
  const spellsAll = model === 'gpt2' || letterOfByte.every((_, byte) => tokenizer.find(byteToken(byte)) !== undefined);
  const isSingle = (token: string): boolean =>
    model === 'gpt2' ? letters.has(token) : !spellsAll && [...token].length === 1;
  for (const [id, token] of tokens.entries())
    if (KEPT_TYPES.includes(types?.[id]) || BYTE_TOKEN.test(token) || isSingle(token)) needed.add(id);
  const outside = [...needed].find((id) => id >= tokens.length);
  if (outside !== undefined)
    throw new FormatError(name, `the token ${outside} is used, but there are ${tokens.length} tokens`);
  const texts = addParts(needed, tokens, merges);
  const kept = Int32Array.from(needed).sort();
  return { kept, before: tokens.length, metadata: cutMetadata(metadata, kept, texts, spec) };
}

const isKnown = (key: string): boolean =>
  PER_TOKEN.test(key) || UNCHANGED.test(key) || ID.test(key) || key === MERGES || key === COPY;

/** An absent token is -1, as an unsigned number. */
const isToken = (value: unknown, tokens: readonly string[]): value is number =>
  typeof value === 'number' && value >= 0 && value < tokens.length;

/**
 * Adds the tokens that merges to needed tokens go through.
 * @returns the texts of all of them, and those in between that are no tokens
 */
function addParts(needed: Set<number>, tokens: readonly string[], merges: readonly string[] | undefined): Set<string> {
  // of tokens with the same text, the tokenizer uses the first
  const ids = new Map<string, number>();
  for (const [id, token] of tokens.entries()) if (token !== '' && !ids.has(token)) ids.set(token, id);
  const pairs = merges && pairsOf(merges);
  const queue = Array.from(needed, (id) => tokens[id]);
  const texts = new Set(queue);
  for (const text of queue) {
    const first = ids.get(text);
    if (first !== undefined) needed.add(first);
    const ways = pairs ? (pairs.get(text) ?? []) : splitsOf(text);
    for (const sides of ways) {
      // without a list of merges, any two neighbours merge to a token; a side of several characters came from a merge, too
      if (!pairs && sides.some((side) => !ids.has(side) && [...side].length > 1)) continue;
      for (const side of sides) {
        if (texts.has(side)) continue;
        texts.add(side);
        queue.push(side);
      }
    }
  }
  return texts;
}

/** Both sides of all merges, by their result. */
function pairsOf(merges: readonly string[]): Map<string, (readonly [string, string])[]> {
  const pairs = new Map<string, (readonly [string, string])[]>();
  for (const merge of merges) {
    const sides = sidesOf(merge);
    const result = sides.join('');
    const known = pairs.get(result);
    if (known) known.push(sides);
    else pairs.set(result, [sides]);
  }
  return pairs;
}

/** All ways to cut a text in two, between characters. */
function splitsOf(text: string): (readonly [string, string])[] {
  const characters = [...text];
  return characters
    .slice(1)
    .map((_, i) => [characters.slice(0, i + 1).join(''), characters.slice(i + 1).join('')] as const);
}

function cutMetadata(
  metadata: ReadonlyMap<string, unknown>,
  kept: Int32Array,
  texts: ReadonlySet<string>,
  spec: NonNullable<Checkpoint['tokenizer']>,
): Map<string, unknown> {
  const tokens = metadata.get('tokenizer.ggml.tokens') as readonly string[];
  const newIds = new Map(Array.from(kept, (old, id) => [old, id]));
  const changed = new Map<string, unknown>();
  for (const [key, value] of metadata) {
    if (key === COPY || key.startsWith('split.')) continue;
    if (PER_TOKEN.test(key)) changed.set(key, picked(value, kept));
    else if (ID.test(key)) changed.set(key, isToken(value, tokens) ? newIds.get(value) : value);
    else if (key === MERGES)
      changed.set(
        key,
        (value as readonly string[]).filter((merge) => texts.has(sidesOf(merge).join(''))),
      );
    else changed.set(key, value);
  }
  // ids that the file leaves to the defaults of its kind
  for (const [part, id] of [
    ['bos', spec.bos],
    ['eos', spec.eos],
    ['unknown', spec.unknown],
  ] as const) {
    const key = `tokenizer.ggml.${part}_token_id`;
    if (id !== undefined && !metadata.has(key) && newIds.get(id) !== id) changed.set(key, newIds.get(id));
  }
  const size = `${String(metadata.get('general.architecture'))}.vocab_size`;
  if (metadata.has(size)) changed.set(size, kept.length);
  return changed;
}

/** The values of the kept tokens, in an array of the same type. */
function picked(value: unknown, kept: Int32Array): unknown {
  const values = value as readonly unknown[];
  if (Array.isArray(values)) return Array.from(kept, (id) => values[id]);
  const numbers = value as Float32Array;
  const result = new (numbers.constructor as Float32ArrayConstructor)(kept.length);
  for (const [i, id] of kept.entries()) result[i] = numbers[id];
  return result;
}
