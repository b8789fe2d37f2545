/**
 * Chooses how many drafts a step verifies: with a share α of accepted drafts, k of them bring (1 − α^(k+1)) / (1 − α) tokens and cost a
 * step of k + 1, and the time of making them. Both are measured while the text is written. Where no number pays, nothing is drafted, but for a try now and then.
 */
import type { StepTimes } from './stepTimes.ts';

/** Maximum drafts of a step. */
export const MAX_DRAFTS = 15;
/** Drafting must promise this much. */
const LEAST_GAIN = 1.03;
/** Tokens without drafts after which a few are tried. */
const TRY_EVERY = 64;
const TRIED = 3;
/** Acceptance that is expected of matches of 2, 3 … tokens before any was seen, and how many drafts that expectation weighs. */
const EXPECTED = [0.35, 0.5, 0.6, 0.7, 0.85] as const;
const WEIGHT = 3;
/** Factor of old counts at every verified step. */
const MEMORY = 0.95;

class Acceptance {
  #accepted: number;
  #tried = WEIGHT;

  constructor(expected: number) {
    this.#accepted = expected * WEIGHT;
  }

  get share(): number {
    return this.#accepted / this.#tried;
  }

  see(drafted: number, accepted: number): void {
    this.#accepted = MEMORY * this.#accepted + accepted;
    // drafts after the first wrong one were not judged
    this.#tried = MEMORY * this.#tried + Math.min(drafted, accepted + 1);
  }
}

export class DraftLength {
  readonly #times: StepTimes;
  readonly #byMatch = EXPECTED.map((expected) => new Acceptance(expected));
  #silent = 0;

  constructor(times: StepTimes) {
    this.#times = times;
  }

  /**
   * @param match tokens that agreed before the drafts @param most drafts that there are
   * @param cost time of making a draft relative to that of a token @returns 0: do not draft
   */
  choose(match: number, most: number, cost = 0): number {
    const share = Math.min(0.99, this.#acceptance(match).share);
    let [best, gain] = [0, LEAST_GAIN];
    let [expected, power] = [1, 1];
    for (let k = 1; k <= Math.min(most, MAX_DRAFTS); k++) {
      power *= share;
      expected += power;
      const own = expected / (k * cost + this.#times.ratio(k + 1));
      if (own > gain) [best, gain] = [k, own];
    }
    if (best > 0 || this.#silent < TRY_EVERY) return best;
    return Math.min(most, TRIED);
  }

  /** Records a step without drafts. */
  rest(): void {
    this.#silent++;
  }

  /** Records a verified step. */
  see(match: number, drafted: number, accepted: number): void {
    this.#silent = 0;
    this.#acceptance(match).see(drafted, accepted);
  }

  #acceptance(match: number): Acceptance {
    return this.#byMatch[Math.min(Math.max(match, 2), EXPECTED.length + 1) - 2];
  }
}
