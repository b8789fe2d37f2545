/** A smaller tokenizer of a larger one: its tokens that a text needs most, and its merges between them. */
import { OptionError, UnsupportedError } from '../../core/errors.ts';
import { createAddedTokens } from '../addedTokens.ts';
import { sidesOf } from '../merge/mergeRules.ts';
import { createWordSplitter } from '../preTokenizer.ts';
import type { Merge, TokenizerSpec } from '../spec.ts';
import { createTokenizer } from '../tokenizer.ts';
import { mergeQueue } from './mergeQueue.ts';
import { countWords } from './wordCounts.ts';

export interface ShrinkOptions {
  /** Tokens that are left. */
  readonly size: number;
  readonly signal?: AbortSignal;
}

/**
 * Takes away, one after another, the token that the text needs least among those that no other is merged from; words that
 * it stood for are then written with its two parts. All others are written as before, so that a model with the larger
 * vocabulary reads what the smaller tokenizer makes of a text nearly as if it were its own (a vocabulary trained anew takes
 * other turns). Bytes and added tokens stay. The tokens keep their order, and get new ids.
 * @throws {OptionError} for a size that these alone exceed; {UnsupportedError} for a tokenizer without merges of bytes
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

/** How often each token is in the text. */
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

/** Of each token that is merged, what its most urgent merge makes it of. */
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

/** So many tokens, those with the fewest uses first, of which no other is merged. @param uses are handed on to the parts */
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
