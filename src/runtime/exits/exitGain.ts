/** Says whether drafting at an exit is faster than whole steps on this device, by trying both now and then. */

/** Tokens of each kind that are measured before they are compared. */
const [WHOLE_TRIAL, EARLY_TRIAL] = [6, 32] as const;
/** Tokens after which the other kind is tried again: whole steps are cheap to try, drafting where it does not pay is not. */
const [WHOLE_EVERY, EARLY_EVERY] = [128, 512] as const;
/** Drafting must take at most this share of the time of whole steps. */
const LEAST_GAIN = 0.97;
/** Weight of a new time; one that is larger than this factor times the mean was disturbed, and counts as that much. */
const [LATEST, MOST] = [0.1, 3] as const;

export class ExitGain {
  #whole: number | undefined;
  #early: number | undefined;
  #isEarly = false;
  /** Tokens until the other kind is tried, or the trial ends. */
  #left: number = WHOLE_TRIAL;
  #isTrial = true;

  /** True if the next token should be drafted at the exit. */
  get isEarly(): boolean {
    return this.#isEarly;
  }

  /** Records tokens and their time. */
  see(isEarly: boolean, tokens: number, seconds: number): void {
    const each = seconds / tokens;
    if (isEarly) this.#early = smoothed(this.#early, each);
    else this.#whole = smoothed(this.#whole, each);
    if (isEarly !== this.#isEarly) return;
    this.#left -= tokens;
    if (this.#left > 0) return;
    if (this.#isTrial) this.#decide();
    else this.#try(!this.#isEarly);
  }

  #try(isEarly: boolean): void {
    this.#isEarly = isEarly;
    this.#isTrial = true;
    this.#left = isEarly ? EARLY_TRIAL : WHOLE_TRIAL;
  }

  #decide(): void {
    if (this.#whole === undefined || this.#early === undefined) {
      this.#try(this.#early === undefined);
      return;
    }
    this.#isEarly = this.#early <= LEAST_GAIN * this.#whole;
    this.#isTrial = false;
    this.#left = this.#isEarly ? WHOLE_EVERY : EARLY_EVERY;
  }
}

function smoothed(mean: number | undefined, value: number): number {
  return mean === undefined ? value : mean + LATEST * (Math.min(value, MOST * mean) - mean);
}
