/** Makes recent tokens less likely (Keskar et al. 2019). As in llama.cpp, the last 64 tokens count, including the prompt. */

/** Number of recent tokens; the default of llama.cpp's `--repeat-last-n`. */
export const PENALTY_WINDOW = 64;

/**
 * Divides positive logits by the penalty and multiplies the others with it, once per token however often it occurred.
 * @param logits [V], changed in place @param recent ids of recent tokens
 */
export function penalizeRepetition(logits: Float32Array, recent: Iterable<number>, penalty: number): void {
  for (const id of new Set(recent)) {
    const logit = logits[id];
    logits[id] = logit > 0 ? logit / penalty : logit * penalty;
  }
}
