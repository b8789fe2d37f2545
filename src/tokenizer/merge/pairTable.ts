/** A hash table from pairs of small integers to a number: open addressing in one flat array, a tenth of a Map's memory. */
export class PairTable {
  /** Three words per slot: left + 1 (0: free), right, value. */
  readonly #slots: Int32Array;
  readonly #mask: number;

  /** @param capacity maximum number of pairs */
  constructor(capacity: number) {
    const slots = 2 ** Math.ceil(Math.log2(Math.max(capacity, 4) * 2));
    this.#slots = new Int32Array(3 * slots);
    this.#mask = slots - 1;
  }

  /** Adds a pair, unless it exists. */
  add(left: number, right: number, value: number): void {
    const at = this.#find(left, right);
    if (this.#slots[at] === 0) this.#slots.set([left + 1, right, value], at);
  }

  /** Returns the value of a pair, or -1. */
  get(left: number, right: number): number {
    const at = this.#find(left, right);
    return this.#slots[at] === 0 ? -1 : this.#slots[at + 2];
  }

  /** Finds the slot of a pair, or the free slot for it. */
  #find(left: number, right: number): number {
    const slots = this.#slots;
    const mask = this.#mask;
    let hash = Math.imul(left, 0x9e3779b1) ^ Math.imul(right, 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
    let slot = (hash ^ (hash >>> 13)) & mask;
    while (slots[3 * slot] !== 0 && (slots[3 * slot] !== left + 1 || slots[3 * slot + 1] !== right))
      slot = (slot + 1) & mask;
    return 3 * slot;
  }
}
