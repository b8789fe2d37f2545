/**
 * Finds stop strings in streamed text. Text that could be the start of a stop string is held back until the next piece
 * decides, so that no part of a stop string is ever returned.
 */
export class StopStrings {
  readonly #stops: readonly string[];
  #held = '';

  /** @param stops non-empty strings */
  constructor(stops: readonly string[]) {
    this.#stops = stops;
  }

  /** @returns the text that is safe to show; if a stop string is found, only the text before it */
  push(text: string): { readonly text: string; readonly found: boolean } {
    const all = this.#held + text;
    const at = this.#earliest(all);
    if (at >= 0) {
      this.#held = '';
      return { text: all.slice(0, at), found: true };
    }
    const keep = this.#longestStopPrefix(all);
    this.#held = all.slice(all.length - keep);
    return { text: all.slice(0, all.length - keep), found: false };
  }

  /** Returns the text still held back. Call it at the end of the stream. */
  flush(): string {
    const rest = this.#held;
    this.#held = '';
    return rest;
  }

  #earliest(text: string): number {
    let earliest = -1;
    for (const stop of this.#stops) {
      const at = text.indexOf(stop);
      if (at >= 0 && (earliest < 0 || at < earliest)) earliest = at;
    }
    return earliest;
  }

  /** Length of the longest suffix of `text` that is a prefix of a stop string. */
  #longestStopPrefix(text: string): number {
    let longest = 0;
    for (const stop of this.#stops) {
      for (let length = Math.min(stop.length - 1, text.length); length > longest; length--) {
        if (text.endsWith(stop.slice(0, length))) longest = length;
      }
    }
    return longest;
  }
}
