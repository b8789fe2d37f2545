/**
 * The uneven levels of IQ4_NL and IQ4_XS, dense near zero like weights, and the search for their scale. It tries candidates
 * as search.ts does, with levels instead of integers. ggml tries one sign only and has 2 to 6 % more error.
 */
import { extremeOf, nothing, refinements } from './search.ts';

/** ggml's 16 levels (kvalues_iq4nl). */
export const levels = new Int8Array([-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113]);

/** Index of the level nearest to each half integer from -128 on. Midpoints between levels are always half integers. */
export const nearestLevels = Uint8Array.from({ length: 512 }, (_, i) => {
  const half = i - 256;
  let index = 0;
  while (index < 15 && half >= levels[index] + levels[index + 1]) index++;
  return index;
});

/** Index of the level nearest to `value`; of two equally near ones the higher. */
export function nearestLevel(value: number): number {
  // NaN maps to the lowest level
  return nearestLevels[Math.max(0, Math.min(511, Math.floor(value * 2) + 256)) | 0];
}

/**
 * Finds the scale for x ≈ scale * level. 0 if all elements are negligible.
 * @param weights weights of the squared errors, from `weightsFrom` on
 */
export function fitLevels(
  x: Float32Array,
  from: number,
  count: number,
  weights: Float32Array,
  weightsFrom: number,
): number {
  const extreme = extremeOf(x, from, count);
  if (Math.abs(extreme) < nothing) return 0;
  let scale = extreme / levels[0];
  let best = 0;
  // the extreme element near the lowest level, then near the highest
  const tries = 12;
  for (let attempt = 0; attempt < tries + refinements; attempt++) {
    const end = levels[attempt < 6 ? 0 : 15] * (0.85 + (attempt % 6) * 0.07);
    const inverse = attempt < tries ? end / extreme : 1 / scale;
    let xl = 0;
    let ll = 0;
    for (let i = 0; i < count; i++) {
      const value = x[from + i];
      const level = levels[nearestLevel(value * inverse)];
      const wl = weights[weightsFrom + i] * level;
      xl += wl * value;
      ll += wl * level;
    }
    if (xl * xl > best * ll) {
      scale = xl / ll;
      best = scale * xl;
    } else if (attempt >= tries) break;
  }
  return scale;
}
