/**
 * How many tokens of prompts a step takes beside streams that generate, so that none of them waits much longer for its next
 * token than it would without: grown or shrunk by what each step took, never by much at once.
 */

/** A step with a piece of a prompt is to take this many times as long as one without. */
const STRETCH = 2.2;
/** Weight of the latest measurement. */
const LATEST = 0.25;
/** Tokens to begin with, before anything is known. */
const FIRST = 8;
const LEAST = 4;
/** Bounds of a change from one step to the next. */
const [SHRINK, GROW] = [0.4, 1.4];

export class PieceSize {
  /** Milliseconds of a step that only generates. */
  #alone: number | undefined;
  #tokens = FIRST;

  /** Milliseconds of a step that only generates, 0 if unknown. */
  get stepTime(): number {
    return this.#alone ?? 0;
  }

  get tokens(): number {
    return Math.max(LEAST, Math.floor(this.#tokens));
  }

  /** Learns from a step in which streams generated. @param prompt tokens of prompts in it */
  observe(prompt: number, milliseconds: number): void {
    if (prompt === 0)
      this.#alone = this.#alone === undefined ? milliseconds : this.#alone + LATEST * (milliseconds - this.#alone);
    if (this.#alone === undefined || 2 * prompt < this.#tokens) return;
    const change = (STRETCH * this.#alone) / Math.max(milliseconds, 1e-6);
    this.#tokens = Math.max(LEAST, prompt * Math.min(GROW, Math.max(SHRINK, change)));
  }
}
