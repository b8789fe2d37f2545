/**
 * Chooses how products of one token read their weights: four groups of rows at once, which are four streams of memory, or
 * one after another, which is one stream. Some processors fetch four streams ahead of need, and then four are up to 1.4
 * times as fast; others fetch only one well, and then one is up to 2.2 times as fast (LOG.md). Results have the same bits.
 *
 * The first steps of one token try both by turns. Every program measures for itself: it costs less than the time of a few
 * steps, and a choice that was made while the machine was busy does not outlive its program.
 */

/** Steps that are measured of either kind. The fastest counts: the first ones run before V8 has optimized the kernels. */
const TRIALS = 8;
/** Weights of fewer bytes stay in caches, where four groups at once are faster. */
const CACHED_BYTES = 2 ** 23;

export class StreamChoice {
  /** Least milliseconds of a step with four streams and with one. */
  readonly #best: [number, number] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  #trials = 0;
  #oneStream = false;
  #isChosen = false;

  /**
   * @param bytes of the weights that a token reads
   * @param given 1 or 4: nothing is measured
   */
  constructor(bytes: number, given?: number) {
    if (given !== undefined || bytes < CACHED_BYTES) this.#choose(given === 1);
  }

  /** False while steps are measured. */
  get isChosen(): boolean {
    return this.#isChosen;
  }

  /** True if the next step reads one stream. */
  get oneStream(): boolean {
    return this.#isChosen ? this.#oneStream : this.#trials % 2 === 1;
  }

  /** Takes the milliseconds of a step that was run as `oneStream` said. */
  record(milliseconds: number): void {
    const tried = this.#trials % 2;
    this.#best[tried] = Math.min(this.#best[tried], milliseconds);
    if (++this.#trials === 2 * TRIALS) this.#choose(this.#best[1] < this.#best[0]);
  }

  #choose(oneStream: boolean): void {
    this.#oneStream = oneStream;
    this.#isChosen = true;
  }
}
