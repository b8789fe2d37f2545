/** Makes tokens that came lately less likely (Keskar et al. 2019), as llama.cpp does it: over the last 64 tokens, prompt included. */

/** llama.cpp's default, `--repeat-last-n`. */
export const PENALTY_WINDOW = 64;

/**
 * Positive logits are divided by the penalty, others multiplied, once a token however often it came.
 * @param logits [V], changed in place @param recent ids
 */
export function penalizeRepetition(logits: Float32Array, recent: Iterable<number>, penalty: number): void {
  for (const id of new Set(recent)) {
    const logit = logits[id];
    logits[id] = logit > 0 ? logit / penalty : logit * penalty;
  }
}
