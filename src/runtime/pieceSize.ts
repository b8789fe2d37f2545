/**
 * How many tokens of prompts a step takes beside streams that generate, so that none of them waits much longer for its next
 * token than it would without: learned from how long steps take.
 */

/** A step with a piece of a prompt takes about this many times as long as one without. */
const STRETCH = 2.2;
/** Weight of the latest measurement. */
const LATEST = 0.25;
/** Tokens to begin with, before anything is known. */
const FIRST = 8;
const LEAST = 4;

export class PieceSize {
  /** Milliseconds of a step that only generates. */
  #alone: number | undefined;
  /** Milliseconds that each token of a prompt adds. */
  #perToken: number | undefined;

  /** Milliseconds of a step that only generates, as far as known. */
  get stepTime(): number {
    return this.#alone ?? 0;
  }

  get tokens(): number {
    if (this.#alone === undefined || this.#perToken === undefined) return FIRST;
    const piece = ((STRETCH - 1) * this.#alone) / Math.max(this.#perToken, 1e-6);
    return Math.max(LEAST, Math.floor(piece));
  }

  /** Learns from a step in which streams generated. @param prompt tokens of prompts in it */
  observe(prompt: number, milliseconds: number): void {
    if (prompt === 0) this.#alone = mixed(this.#alone, milliseconds);
    else if (this.#alone !== undefined)
      this.#perToken = mixed(this.#perToken, Math.max(0, milliseconds - this.#alone) / prompt);
  }
}

function mixed(before: number | undefined, latest: number): number {
  return before === undefined ? latest : before + LATEST * (latest - before);
}
