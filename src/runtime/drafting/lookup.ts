/**
 * Prompt lookup (Saxena 2023): text that repeats is drafted by copying what followed the same tokens the last time. It needs no second
 * model, and costs a few comparisons.
 */

/** Tokens that must agree for a match. */
const SHORTEST = 2;
/** Longer matches are not told apart. */
const LONGEST = 16;
/** Earlier places that are compared, the latest first. */
const MAX_PLACES = 16;
/** Ids are below 2^24, so that a pair of them is a whole number. */
const PAIR = 2 ** 24;

export interface LookupDraft {
  readonly ids: readonly number[];
  /** Number of tokens before the draft that agree. */
  readonly match: number;
}

export class Lookup {
  readonly #ids: number[] = [];
  /** Index after the latest occurrence of each pair of ids. */
  readonly #latest = new Map<number, number>();
  /** For each index, that after the occurrence before of the same pair; 0: none. */
  readonly #earlier: number[] = [];

  append(ids: readonly number[]): void {
    for (const id of ids) {
      this.#ids.push(id);
      const end = this.#ids.length;
      if (end < SHORTEST) continue;
      const pair = this.#pairAt(end);
      this.#earlier[end] = this.#latest.get(pair) ?? 0;
      this.#latest.set(pair, end);
    }
  }

  /** Drafts what followed the longest earlier match of the end of the text; of equal ones the latest. */
  propose(most: number): LookupDraft | undefined {
    const ids = this.#ids;
    const end = ids.length;
    if (most < 1 || end <= SHORTEST) return undefined;
    let [best, match] = [0, SHORTEST - 1];
    let place = this.#earlier[end];
    for (let tried = 0; place > 0 && tried < MAX_PLACES && match < LONGEST; tried++) {
      let length = SHORTEST;
      while (length < LONGEST && length < place && ids[place - length - 1] === ids[end - length - 1]) length++;
      if (length > match) [best, match] = [place, length];
      place = this.#earlier[place];
    }
    return best === 0 ? undefined : { ids: ids.slice(best, best + most), match };
  }

  #pairAt(end: number): number {
    return this.#ids[end - 2] * PAIR + this.#ids[end - 1];
  }
}
