/**
 * Merges the symbols of a word until no rule applies. Uses a linked list of symbols and a heap of possible merges, so a
 * word of n symbols takes n log n steps.
 */
import { type MergeRules, unnamed } from './mergeRules.ts';

/** Merges one word at a time. The arrays are reused for the next word. */
export class WordMerger {
  /** The word in the alphabet of the vocabulary. */
  #text = '';
  /** For each symbol: its number, start and end of its text, its neighbours (-1: none). A merge keeps the left symbol. */
  #symbols = new Int32Array(64);
  #starts = new Int32Array(64);
  #ends = new Int32Array(64);
  #previous = new Int32Array(64);
  #next = new Int32Array(64);
  readonly #waiting = new MergeHeap();

  readonly #rules: MergeRules;

  constructor(rules: MergeRules) {
    this.#rules = rules;
  }

  /** Calls `emit` with each symbol of the merged word and the range of its text. */
  merge(text: string, emit: (symbol: number, start: number, end: number) => void): void {
    this.#text = text;
    const count = this.#fill(text);
    this.#waiting.clear();
    for (let at = 0; at + 1 < count; at++) this.#propose(at, at + 1);
    const symbols = this.#symbols;
    const ends = this.#ends;
    const previous = this.#previous;
    const next = this.#next;
    const waiting = this.#waiting;
    const rules = this.#rules;
    while (waiting.pop()) {
      const { left, right, end, merge } = waiting;
      // outdated: one of the two has merged with another symbol
      if (next[left] !== right || ends[right] !== end) continue;
      symbols[left] = rules.symbol(merge);
      ends[left] = end;
      const after = next[right];
      next[right] = GONE;
      next[left] = after;
      if (after >= 0) {
        previous[after] = left;
        this.#propose(left, after);
      }
      if (previous[left] >= 0) this.#propose(previous[left], left);
    }
    for (let at = count > 0 ? 0 : -1; at >= 0; at = next[at]) emit(symbols[at], this.#starts[at], ends[at]);
    if (count > MAX_KEPT) this.#shrink();
  }

  /** Creates one symbol per character and returns their number. */
  #fill(text: string): number {
    const { prefix = '', suffix = '', fused } = this.#rules;
    // one UTF-16 unit is at most three byte tokens
    if (3 * text.length > this.#symbols.length) this.#allocate(4 * text.length);
    let count = 0;
    let start = 0;
    let lastReplaced = false;
    for (const character of text) {
      const end = start + character.length;
      const written = (start > 0 ? prefix : '') + character + (end === text.length ? suffix : '');
      const symbol = this.#rules.symbolOf(written);
      const replacement = symbol === unnamed ? this.#rules.replacementOf?.(written) : undefined;
      if (replacement === undefined) this.#put(count++, symbol, start, end);
      else if (lastReplaced && replacement[0] === fused && this.#symbols[count - 1] === fused)
        this.#ends[count - 1] = end;
      else for (const id of replacement) this.#put(count++, id, start, end);
      if (replacement === undefined || replacement.length > 0) lastReplaced = replacement !== undefined;
      start = end;
    }
    if (count > 0) this.#next[count - 1] = -1;
    return count;
  }

  #put(at: number, symbol: number, start: number, end: number): void {
    this.#symbols[at] = symbol;
    this.#starts[at] = start;
    this.#ends[at] = end;
    this.#previous[at] = at - 1;
    this.#next[at] = at + 1;
  }

  #propose(left: number, right: number): void {
    const end = this.#ends[right];
    const merge = this.#rules.find(this.#symbols[left], this.#symbols[right], this.#text, this.#starts[left], end);
    if (merge >= 0) this.#waiting.push(this.#rules.priority(merge), left, right, end, merge);
  }

  #allocate(size: number): void {
    this.#symbols = new Int32Array(size);
    this.#starts = new Int32Array(size);
    this.#ends = new Int32Array(size);
    this.#previous = new Int32Array(size);
    this.#next = new Int32Array(size);
  }

  /** Releases the memory of a very long word. */
  #shrink(): void {
    this.#text = '';
    this.#allocate(64);
    this.#waiting.shrink();
  }
}

/** Value in `next` of a symbol that has merged into its left neighbour. */
const GONE = -2;
/** Maximum symbols of a word for which the arrays are kept. */
const MAX_KEPT = 1 << 14;

/** A binary heap of merges: the lowest priority first, of equal ones the leftmost. `pop` stores its result in the fields. */
class MergeHeap {
  left = 0;
  right = 0;
  end = 0;
  merge = 0;

  #size = 0;
  #priorities = new Float64Array(256);
  /** Four words per entry: left, right, end, merge. */
  #entries = new Int32Array(1024);

  clear(): void {
    this.#size = 0;
  }

  shrink(): void {
    this.#priorities = new Float64Array(256);
    this.#entries = new Int32Array(1024);
  }

  push(priority: number, left: number, right: number, end: number, merge: number): void {
    if (this.#size === this.#priorities.length) this.#grow();
    let at = this.#size++;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#before(priority, left, parent)) break;
      this.#move(parent, at);
      at = parent;
    }
    this.#put(at, priority, left, right, end, merge);
  }

  pop(): boolean {
    if (this.#size === 0) return false;
    const entries = this.#entries;
    this.left = entries[0];
    this.right = entries[1];
    this.end = entries[2];
    this.merge = entries[3];
    const last = --this.#size;
    const priority = this.#priorities[last];
    const left = entries[4 * last];
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= last) break;
      if (child + 1 < last && this.#before(this.#priorities[child + 1], entries[4 * (child + 1)], child)) child++;
      if (this.#before(priority, left, child)) break;
      this.#move(child, at);
      at = child;
    }
    this.#move(last, at);
    return true;
  }

  #before(priority: number, left: number, other: number): boolean {
    const its = this.#priorities[other];
    return priority < its || (priority === its && left < this.#entries[4 * other]);
  }

  #put(at: number, priority: number, left: number, right: number, end: number, merge: number): void {
    this.#priorities[at] = priority;
    this.#entries[4 * at] = left;
    this.#entries[4 * at + 1] = right;
    this.#entries[4 * at + 2] = end;
    this.#entries[4 * at + 3] = merge;
  }

  #move(from: number, to: number): void {
    const priorities = this.#priorities;
    const entries = this.#entries;
    priorities[to] = priorities[from];
    // faster than copyWithin
    entries[4 * to] = entries[4 * from];
    entries[4 * to + 1] = entries[4 * from + 1];
    entries[4 * to + 2] = entries[4 * from + 2];
    entries[4 * to + 3] = entries[4 * from + 3];
  }

  #grow(): void {
    const priorities = new Float64Array(2 * this.#priorities.length);
    priorities.set(this.#priorities);
    this.#priorities = priorities;
    const entries = new Int32Array(2 * this.#entries.length);
    entries.set(this.#entries);
    this.#entries = entries;
  }
}
