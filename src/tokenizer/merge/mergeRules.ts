/**
 * Merge rules: which neighbours may merge, the result, and the priority. Symbols are token ids. Texts that take part in merges but
 * are not tokens have numbers beyond the vocabulary, and `unnamed` is any other single character.
 */
import type { Merge, TokenizerSpec } from '../spec.ts';
import { PairCache } from './pairCache.ts';
import { PairTable } from './pairTable.ts';

export interface MergeRules {
  /** Returns the merge of two neighbours, whose text is text[start..end), or -1. */
  find(left: number, right: number, text: string, start: number, end: number): number;
  /** Priority of a merge: the lowest comes first; of equal ones the leftmost. */
  priority(merge: number): number;
  /** Symbol that a merge creates. */
  symbol(merge: number): number;
  /** Symbol of one character (or byte letter). */
  symbolOf(character: string): number;
  /** Tokens that replace an unnamed character before merging. Default: it stays unnamed. */
  replacementOf?(character: string): readonly number[];
  /** A token that is not repeated when it replaces consecutive characters. */
  readonly fused?: number;
  /** Prefix of characters that continue a word, and suffix of the last one. */
  readonly prefix?: string;
  readonly suffix?: string;
}

export const unnamed = -1;

/**
 * @param ids tokens that merges may make, by text
 * @param vocabularySize ids are below it
 */
export function createMergeRules(spec: TokenizerSpec, ids: ReadonlyMap<string, number>): MergeRules {
  return spec.merges === undefined
    ? rulesByText(spec, ids)
    : rulesByList(spec.merges, spec.tokens.length, ids, spec.continuingPrefix);
}

/** Merges as listed: BPE (Sennrich et al. 2016). */
function rulesByList(
  merges: readonly Merge[],
  vocabularySize: number,
  ids: ReadonlyMap<string, number>,
  prefix = '',
): MergeRules {
  const others = new Map<string, number>();
  const symbolOf = (text: string): number => {
    const symbol = ids.get(text) ?? others.get(text);
    if (symbol !== undefined) return symbol;
    const made = vocabularySize + others.size;
    others.set(text, made);
    return made;
  };
  const pairs = new PairTable(merges.length);
  const results = new Int32Array(merges.length);
  merges.forEach((merge, rank) => {
    const [left, right] = sidesOf(merge);
    results[rank] = symbolOf(left + right.slice(prefix.length));
    pairs.add(symbolOf(left), symbolOf(right), rank);
  });
  return {
    find: (left, right) => (left === unnamed || right === unnamed ? -1 : pairs.get(left, right)),
    priority: (rank) => rank,
    symbol: (rank) => results[rank],
    symbolOf: (character) => ids.get(character) ?? others.get(character) ?? unnamed,
  };
}

export function sidesOf(merge: Merge): readonly [left: string, right: string] {
  if (typeof merge !== 'string') return merge;
  const gap = merge.indexOf(' ', 1);
  return [merge.slice(0, gap), merge.slice(gap + 1)];
}

/** For pairs whose joined text was looked up: 3 MB. */
const CACHE_BITS = 18;

/** Merges any two neighbours whose joined text is a token: SentencePiece's BPE by scores (as in llama.cpp), or tiktoken's by ids. */
function rulesByText(spec: TokenizerSpec, ids: ReadonlyMap<string, number>): MergeRules {
  const { scores } = spec;
  let longest = 0;
  for (const text of ids.keys()) longest = Math.max(longest, text.length);
  const joined = (text: string, start: number, end: number): number =>
    end - start > longest ? -1 : (ids.get(text.slice(start, end)) ?? -1);
  // the text of a symbol is its token's, unless the symbol replaces a character
  const cache = spec.unknownReplaced === 'before' ? undefined : new PairCache(CACHE_BITS);
  return {
    find(left, right, text, start, end) {
      if (cache === undefined || left === unnamed || right === unnamed) return joined(text, start, end);
      const slot = cache.slot(left, right);
      if (cache.has(slot, left, right)) return cache.values[slot];
      const found = joined(text, start, end);
      cache.set(slot, left, right, found);
      return found;
    },
    priority: scores === undefined ? (id) => id : (id) => -scores[id],
    symbol: (id) => id,
    symbolOf: (character) => ids.get(character) ?? unnamed,
  };
}
