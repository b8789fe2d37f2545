/**
 * Checks a promise while text is made: a few tokens are compared with those of the whole model. A betting process (Waudby-Smith and
 * Ramdas 2024) says when the differences contradict the promise: if it holds, the process exceeds `1 / ERROR` with probability ERROR at most,
 * however long it runs.
 */

/** Share of the tokens that are compared. */
export const CHECKED_SHARE = 0.01;
const ERROR = 0.01;
/** Stake of a bet on a difference, relative to the largest one that cannot lose everything. */
const STAKE = 0.1;

export class ExitCheck {
  readonly #risk: number;
  #wealth = 1;
  #compared = 0;
  #different = 0;

  /** @param risk promised share of tokens that differ */
  constructor(risk: number) {
    this.#risk = risk;
  }

  /** True if the differences contradict the promise. It stays so. */
  get isBroken(): boolean {
    return this.#wealth >= 1 / ERROR;
  }

  get compared(): number {
    return this.#compared;
  }

  get different(): number {
    return this.#different;
  }

  /** Records a compared token. One that did not leave early cannot differ, but it counts. */
  see(isDifferent: boolean): void {
    this.#compared++;
    if (isDifferent) this.#different++;
    if (this.isBroken) return;
    const stake = STAKE / Math.max(this.#risk, 1e-6);
    this.#wealth *= 1 + stake * ((isDifferent ? 1 : 0) - this.#risk);
  }
}
