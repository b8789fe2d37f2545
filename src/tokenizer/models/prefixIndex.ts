/** Finds the tokens that are prefixes of a text, by binary search in a sorted list, character by character. */
export class PrefixIndex {
  readonly #texts: readonly string[];
  readonly #ids: Int32Array;
  /** Range of the texts that start with a UTF-16 unit. */
  readonly #first = new Map<number, readonly [low: number, high: number]>();

  /** @param lead text that all indexed tokens start with, and that they are indexed without */
  constructor(ids: ReadonlyMap<string, number>, lead = '') {
    this.#texts = [...ids.keys()]
      .filter((text) => text.length > lead.length && text.startsWith(lead))
      .map((text) => text.slice(lead.length))
      .sort((a, b) => (a < b ? -1 : 1));
    this.#ids = Int32Array.from(this.#texts, (text) => ids.get(lead + text)!);
    for (let low = 0; low < this.#texts.length; ) {
      const unit = this.#texts[low].charCodeAt(0);
      const high = this.#end(low, this.#texts.length, 0, unit);
      this.#first.set(unit, [low, high]);
      low = high;
    }
  }

  /** Shortest first. */
  forEach(word: string, start: number, onToken: (end: number, id: number) => void): void {
    const range = this.#first.get(word.charCodeAt(start));
    if (range === undefined) return;
    let [low, high] = range;
    for (let length = 1; low < high; length++) {
      if (this.#texts[low].length === length) onToken(start + length, this.#ids[low++]);
      if (start + length >= word.length || low >= high) return;
      const unit = word.charCodeAt(start + length);
      low = this.#begin(low, high, length, unit);
      high = this.#end(low, high, length, unit);
    }
  }

  /** Index of the first text in low … high−1 whose unit at `at` is at least `unit`. */
  #begin(low: number, high: number, at: number, unit: number): number {
    let from = low;
    let to = high;
    while (from < to) {
      const middle = (from + to) >>> 1;
      if (this.#texts[middle].charCodeAt(at) < unit) from = middle + 1;
      else to = middle;
    }
    return from;
  }

  #end(low: number, high: number, at: number, unit: number): number {
    return this.#begin(low, high, at, unit + 1);
  }
}
