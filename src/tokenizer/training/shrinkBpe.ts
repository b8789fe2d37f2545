/** Shrinks a BPE tokenizer to the tokens that a text uses most, and the merges between them. */
import { OptionError, UnsupportedError } from '../../core/errors.ts';
import { createAddedTokens } from '../addedTokens.ts';
import { sidesOf } from '../merge/mergeRules.ts';
import { createWordSplitter } from '../preTokenizer.ts';
import type { Merge, TokenizerSpec } from '../spec.ts';
import { createTokenizer } from '../tokenizer.ts';
import { mergeQueue } from './mergeQueue.ts';
import { countWords } from './wordCounts.ts';

export interface ShrinkOptions {
  /** Remaining tokens. */
  readonly size: number;
  readonly signal?: AbortSignal;
}

/**
 * Repeatedly removes the least used token that is not part of another token's merge. Texts that contain it are then encoded
 * with its two parts; all others are encoded as before. So a model of the larger vocabulary still reads the smaller
 * tokenizer's tokens well, which it would not if the vocabulary were trained anew. Bytes and added tokens stay. Tokens keep
 * their order and get new ids.
 * @throws {OptionError} if bytes and added tokens alone exceed the size; {UnsupportedError} if it is not a byte-level BPE
 */
export async function shrinkBpe(
  spec: TokenizerSpec,
  texts: AsyncIterable<string> | Iterable<string>,
  { size, signal }: ShrinkOptions,
): Promise<TokenizerSpec> {
  if (spec.kind !== 'bpe' || !spec.merges)
    throw new UnsupportedError('shrinking a vocabulary of kind', spec.kind, ['bpe']);
  const uses = await countUses(spec, texts, signal);
  const parts = partsOf(spec.tokens, spec.merges);
  const least = spec.tokens.length - parts.size;
  if (!Number.isSafeInteger(size) || size < least)
    throw new OptionError('size of the tokenizer', size, `a whole number of at least ${least}: what is not merged`);
  const gone = leastNeeded(uses, parts, spec.tokens.length - size);
  return without(spec, gone);
}

/** Counts the occurrences of each token in the text. */
async function countUses(
  spec: TokenizerSpec,
  texts: AsyncIterable<string> | Iterable<string>,
  signal?: AbortSignal,
): Promise<Float64Array> {
  const words = countWords(
    createWordSplitter(spec.preTokenizer ?? []),
    createAddedTokens(spec.added, (id) => spec.tokens[id]),
  );
  for await (const text of texts) {
    signal?.throwIfAborted();
    words.add(text);
  }
  const tokenizer = createTokenizer(spec);
  const uses = new Float64Array(spec.tokens.length);
  for (const [word, count] of words.counts)
    for (const id of tokenizer.encode(word, { addBos: false, addEos: false })) uses[id] += count;
  return uses;
}

/** Returns the two parts of each merged token, by its merge of highest priority. */
function partsOf(tokens: TokenizerSpec['tokens'], merges: readonly Merge[]): Map<number, readonly [number, number]> {
  const ids = new Map(tokens.map((token, id) => [token, id]));
  const parts = new Map<number, readonly [number, number]>();
  for (const merge of merges) {
    const [left, right] = sidesOf(merge);
    const id = ids.get(left + right);
    if (id !== undefined && !parts.has(id)) parts.set(id, [ids.get(left)!, ids.get(right)!]);
  }
  return parts;
}

/** Chooses `count` tokens to remove, least used first. @param uses counts; those of a removed token are added to its parts */
function leastNeeded(
  uses: Float64Array,
  parts: ReadonlyMap<number, readonly [number, number]>,
  count: number,
): Set<number> {
  const mergedFrom = new Uint32Array(uses.length);
  for (const pair of parts.values()) for (const part of pair) mergedFrom[part]++;
  const free = mergeQueue((token, other) => token < other);
  const offer = (id: number): void => {
    if (parts.has(id) && mergedFrom[id] === 0) free.push(id, -uses[id]);
  };
  for (const id of parts.keys()) offer(id);
  const gone = new Set<number>();
  while (gone.size < count) {
    const id = free.pop();
    gone.add(id);
    for (const part of parts.get(id)!) {
      mergedFrom[part]--;
      uses[part] += uses[id];
      offer(part);
    }
  }
  return gone;
}

function without(spec: TokenizerSpec, gone: ReadonlySet<number>): TokenizerSpec {
  const kept = [...spec.tokens.keys()].filter((id) => !gone.has(id));
  const idOf = new Map(kept.map((id, place) => [id, place]));
  const renumbered = (id: number | undefined) => (id === undefined ? undefined : idOf.get(id));
  const tokens = kept.map((id) => spec.tokens[id]);
  const known = new Set(tokens);
  const { bos, eos, eot, eom, unknown, padding } = spec;
  const named = Object.entries({ bos, eos, eot, eom, unknown, padding });
  return {
    ...spec,
    ...Object.fromEntries(named.map(([name, id]) => [name, renumbered(id)])),
    tokens,
    scores: spec.scores && kept.map((id) => spec.scores![id]),
    merges: spec.merges!.filter((merge) => {
      const [left, right] = sidesOf(merge);
      return known.has(left) && known.has(right) && known.has(left + right);
    }),
    added: spec.added.map((token) => ({ ...token, id: idOf.get(token.id)! })),
    endOfGeneration: spec.endOfGeneration?.map((id) => idOf.get(id)!),
  };
}
