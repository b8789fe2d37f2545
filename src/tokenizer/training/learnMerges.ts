/**
 * Learns byte-pair merges (Sennrich et al. 2016): repeatedly merges the most frequent pair of neighbours into a new symbol.
 *
 * All distinct words are in one doubly linked list of symbols. Each pair stores its count and positions, so a merge only
 * visits the positions that it changes. Pairs are in a heap, ordered by the count at the time of insertion. Counts only
 * decrease afterwards; a popped pair with an outdated count is pushed again with the current one.
 */
import { mergeQueue } from './mergeQueue.ts';

/** A pair of symbols to merge. Symbols 0 to 255 are bytes; 256 + n is the result of merge n. */
export type Merge = readonly [left: number, right: number];

/** Symbols have 21 bits, so that a pair fits into an exact number. */
const SYMBOLS = 2 ** 21;
/** In `symbols`: merged into the left neighbour. */
const GONE = -1;

/**
 * Yields merges by descending count. Ties go to the pair with the greater bytes (left, then right, as Python compares tuples
 * of bytes). Ends when no pair is left.
 * @param words each distinct word as a binary string (characters 0 to 255), with its count
 */
export function* learnMerges(words: Iterable<readonly [bytes: string, count: number]>): Generator<Merge> {
  const { symbols, previous, next, counts } = layOut(words);
  /** Bytes of each symbol as a binary string, which compares like the bytes. */
  const bytes = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(byte));
  const pairs = new PairTable();
  const queue = mergeQueue((pair, other) => {
    const left = bytes[pairs.left[pair]];
    const otherLeft = bytes[pairs.left[other]];
    return left === otherLeft ? bytes[pairs.right[pair]] > bytes[pairs.right[other]] : left > otherLeft;
  });

  for (let at = 0; at < symbols.length; at++) {
    if (next[at] >= 0) pairs.found(symbols[at], symbols[next[at]], at, counts[at]);
  }
  for (let pair = 0; pair < pairs.count.length; pair++) queue.push(pair, pairs.count[pair]);

  for (let pair = queue.pop(); pair >= 0; pair = queue.pop()) {
    const count = pairs.count[pair];
    if (count <= 0) continue;
    if (count < queue.count) {
      queue.push(pair, count);
      continue;
    }
    const left = pairs.left[pair];
    const right = pairs.right[pair];
    const made = bytes.length;
    bytes.push(bytes[left] + bytes[right]);
    const known = pairs.count.length;
    for (const at of pairs.takePlaces(pair)) {
      const other = next[at];
      // outdated: one of the two symbols has been merged meanwhile
      if (symbols[at] !== left || other < 0 || symbols[other] !== right) continue;
      const before = previous[at];
      const after = next[other];
      if (before >= 0) {
        pairs.lost(symbols[before], left, counts[at]);
        pairs.found(symbols[before], made, before, counts[at]);
      }
      if (after >= 0) {
        pairs.lost(right, symbols[after], counts[at]);
        pairs.found(made, symbols[after], at, counts[at]);
        previous[after] = at;
      }
      symbols[at] = made;
      symbols[other] = GONE;
      next[at] = after;
    }
    // only pairs with the new symbol have higher counts
    for (let fresh = known; fresh < pairs.count.length; fresh++) queue.push(fresh, pairs.count[fresh]);
    yield [left, right];
  }
}

/** The words one after another. `counts` is the count of the word at every place, `previous` and `next` are -1 at ends. */
function layOut(words: Iterable<readonly [string, number]>) {
  const list = [...words];
  const length = list.reduce((sum, [word]) => sum + word.length, 0);
  const symbols = new Int32Array(length);
  const previous = new Int32Array(length);
  const next = new Int32Array(length);
  const counts = new Float64Array(length);
  let at = 0;
  for (const [word, count] of list) {
    const start = at;
    for (; at < start + word.length; at++) {
      symbols[at] = word.charCodeAt(at - start);
      previous[at] = at === start ? -1 : at - 1;
      next[at] = at + 1 === start + word.length ? -1 : at + 1;
      counts[at] = count;
    }
  }
  return { symbols, previous, next, counts };
}

/** All pairs of neighbours, including those of the past. */
class PairTable {
  readonly left: number[] = [];
  readonly right: number[] = [];
  readonly count: number[] = [];
  /** Positions of its left symbol, ascending. Outdated positions are not removed. */
  readonly #places: number[][] = [];
  readonly #ids = new Map<number, number>();

  found(left: number, right: number, at: number, count: number): void {
    const key = left * SYMBOLS + right;
    const id = this.#ids.get(key);
    if (id === undefined) {
      this.#ids.set(key, this.count.length);
      this.left.push(left);
      this.right.push(right);
      this.count.push(count);
      this.#places.push([at]);
    } else {
      this.count[id] += count;
      this.#places[id].push(at);
    }
  }

  lost(left: number, right: number, count: number): void {
    this.count[this.#ids.get(left * SYMBOLS + right)!] -= count;
  }

  /** Removes and returns the positions of a pair that is being merged. */
  takePlaces(pair: number): readonly number[] {
    const places = this.#places[pair];
    this.#places[pair] = [];
    this.count[pair] = 0;
    return places;
  }
}
