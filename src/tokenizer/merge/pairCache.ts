/**
 * A cache from pairs of small integers to a number, in flat arrays: a new pair overwrites another one with the same slot.
 */
export class PairCache {
  /** Left + 1, 0 in a free slot. */
  readonly #lefts: Int32Array;
  readonly #rights: Int32Array;
  readonly values: Int32Array;
  readonly #shift: number;

  /** @param bits the cache has 2^bits slots */
  constructor(bits: number) {
    this.#lefts = new Int32Array(2 ** bits);
    this.#rights = new Int32Array(2 ** bits);
    this.values = new Int32Array(2 ** bits);
    this.#shift = 32 - bits;
  }

  slot(left: number, right: number): number {
    return Math.imul(Math.imul(left, 0x9e3779b1) ^ right, 0x85ebca6b) >>> this.#shift;
  }

  has(slot: number, left: number, right: number): boolean {
    return this.#lefts[slot] === left + 1 && this.#rights[slot] === right;
  }

  set(slot: number, left: number, right: number, value: number): void {
    this.#lefts[slot] = left + 1;
    this.#rights[slot] = right;
    this.values[slot] = value;
  }
}
