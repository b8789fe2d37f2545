/**
 * Chooses how many prompt tokens to add to a step in which other streams generate, so that their next tokens are not delayed
 * much. Adjusted after each step by its measured time, within bounds.
 */

/** Target duration of a step with prompt tokens, relative to one without. */
const STRETCH = 2.2;
/** Weight of the latest measurement. */
const LATEST = 0.25;
/** Initial number of tokens. */
const FIRST = 8;
const LEAST = 4;
/** Products take so many tokens at a time: a step of five takes about as long as one of eight. */
const TILE = 4;
/** Bounds of the change factor per step. */
const [SHRINK, GROW] = [0.4, 1.4];

export class PieceSize {
  /** Duration of a step that only generates, in milliseconds. */
  #alone: number | undefined;
  #tokens = FIRST;

  /** Duration of a step that only generates, in milliseconds; 0 if unknown. */
  get stepTime(): number {
    return this.#alone ?? 0;
  }

  /** Number of prompt tokens for a step with `others` tokens of streams that generate. Together they fill tiles. */
  beside(others: number): number {
    return Math.max(1, TILE * Math.round((others + Math.floor(this.#tokens)) / TILE) - others);
  }

  /** Records a step in which streams generated. @param prompt number of prompt tokens in it */
  observe(prompt: number, milliseconds: number): void {
    if (prompt === 0)
      this.#alone = this.#alone === undefined ? milliseconds : this.#alone + LATEST * (milliseconds - this.#alone);
    if (this.#alone === undefined || 2 * prompt < this.#tokens) return;
    const change = (STRETCH * this.#alone) / Math.max(milliseconds, 1e-6);
    this.#tokens = Math.max(LEAST, prompt * Math.min(GROW, Math.max(SHRINK, change)));
  }
}
