/**
 * Learns byte-pair merges (Sennrich et al. 2016): again and again the most frequent pair of neighbours becomes a symbol.
 *
 * All different words lie in one list of symbols with links to their neighbours. A pair knows its count and where it
 * stands, so a merge touches only the places it changes. Pairs wait in a heap by the count they were pushed with, which
 * can only have fallen since: a pair that comes out with another count goes back in with the right one.
 */
import { mergeQueue } from './mergeQueue.ts';

/** Neighbours to merge, by symbol: 0 to 255 are bytes, 256 + n is what the merge n makes. */
export type Merge = readonly [left: number, right: number];

/** Symbols fit 21 bits, so that a pair is one exact number. */
const SYMBOLS = 2 ** 21;
/** In `symbols`: merged into the left neighbour. */
const GONE = -1;

/**
 * Yields merges, the most frequent pair first and of equals the one whose bytes are greater (left, then right: the order
 * of Python's tuples of bytes); ends when no pair is left.
 * @param words bytes of each different word as a string of characters 0 to 255, and how often it occurs
 */
export function* learnMerges(words: Iterable<readonly [bytes: string, count: number]>): Generator<Merge> {
  const { symbols, previous, next, counts } = layOut(words);
  /** Bytes of each symbol, one a character: strings of those compare as the bytes do. */
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
      // out of date: one of the two has merged with another since
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
    // only pairs with the new symbol have gained
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

/** Every pair of neighbours that there ever was. */
class PairTable {
  readonly left: number[] = [];
  readonly right: number[] = [];
  readonly count: number[] = [];
  /** Where its left symbol stands, ascending; places where it no longer stands are not taken out. */
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

  /** The places of a pair that is merged now and will not be there again. */
  takePlaces(pair: number): readonly number[] {
    const places = this.#places[pair];
    this.#places[pair] = [];
    this.count[pair] = 0;
    return places;
  }
}
