/**
 * Finds stop strings in text that comes in pieces. Text that could be the beginning of one is held back until the
 * next piece tells, so that no part of a stop string is ever handed out.
 */
export class StopStrings {
  readonly #stops: readonly string[];
  #held = '';

  /** @param stops none of them empty */
  constructor(stops: readonly string[]) {
    this.#stops = stops;
  }

  /** @returns the text that can be handed out now; once a stop string is found, that before it */
  push(text: string): { readonly text: string; readonly found: boolean } {
    const all = this.#held + text;
    const at = this.#earliest(all);
    if (at >= 0) {
      this.#held = '';
      return { text: all.slice(0, at), found: true };
    }
    const keep = this.#beginning(all);
    this.#held = all.slice(all.length - keep);
    return { text: all.slice(0, all.length - keep), found: false };
  }

  /** What was held back, when nothing more comes. */
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

  /** Characters at the end of the text that begin a stop string, as many as possible. */
  #beginning(text: string): number {
    let longest = 0;
    for (const stop of this.#stops) {
      for (let length = Math.min(stop.length - 1, text.length); length > longest; length--) {
        if (text.endsWith(stop.slice(0, length))) longest = length;
      }
    }
    return longest;
  }
}
