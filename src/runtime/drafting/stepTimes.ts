/** Learns the time of steps of 1, 2, 3 … tokens of a stream on this device while they run. */

/** Weight of a new time. */
const LATEST = 0.2;
/** A step that takes longer than this times the mean was disturbed, and counts as this much. */
const MOST = 3;
/** Cost of a further token, relative to the first, before anything was measured. */
const FURTHER = 0.35;

export class StepTimes {
  readonly #seconds = new Map<number, number>();

  observe(tokens: number, seconds: number): void {
    if (!(seconds > 0)) return;
    const mean = this.#seconds.get(tokens);
    const next = mean === undefined ? seconds : mean + LATEST * (Math.min(seconds, MOST * mean) - mean);
    this.#seconds.set(tokens, next);
  }

  /** @param unknown result before a single token was measured */
  relative(seconds: number, unknown: number): number {
    const one = this.#seconds.get(1);
    return one === undefined ? unknown : seconds / one;
  }

  /** Time of a step of `tokens` tokens relative to one of a single token. */
  ratio(tokens: number): number {
    const one = this.#seconds.get(1);
    if (tokens === 1) return 1;
    if (one === undefined) return 1 + FURTHER * (tokens - 1);
    const own = this.#seconds.get(tokens);
    if (own !== undefined) return own / one;
    let [below, above] = [1, 0];
    for (const known of this.#seconds.keys()) {
      if (known < tokens && known > below) below = known;
      if (known > tokens && (above === 0 || known < above)) above = known;
    }
    const from = this.#seconds.get(below)! / one;
    if (above === 0) return from + FURTHER * (tokens - below);
    const to = this.#seconds.get(above)! / one;
    return from + ((to - from) * (tokens - below)) / (above - below);
  }
}
