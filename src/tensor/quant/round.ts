/** Rounding to integers as in ggml's encoders. */

/** Rounds halves away from zero, like C's roundf. @param value exact in f32 */
export function roundAwayFromZero(value: number): number {
  return value < 0 ? -Math.floor(0.5 - value) : Math.floor(value + 0.5);
}

/** Rounds halves to even: adding 1.5 * 2^52 removes the fraction bits. @param value within ±2^51 */
export function roundToEven(value: number): number {
  return value + 6755399441055744 - 6755399441055744;
}

/** Rounds halves to even and clamps. NaN stays NaN, which byte arrays store as 0. */
export function roundWithin(value: number, lowest: number, highest: number): number {
  return Math.max(lowest, Math.min(highest, roundToEven(value)));
}
