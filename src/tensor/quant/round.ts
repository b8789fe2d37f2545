/** Roundings to integers, as ggml's encoders use them. */

/** Nearest integer, halves away from zero, like C's roundf. @param value exact in f32 */
export function roundAwayFromZero(value: number): number {
  return value < 0 ? -Math.floor(0.5 - value) : Math.floor(value + 0.5);
}
