import { roundAwayFromZero } from './round.ts';
import { extremeOf } from './search.ts';

/**
 * x ≈ d * (q - 1), q in 0..2, for 256 elements that are already ternary: d is the greatest magnitude. Equals ggml's encoder.
 * @param trits receives q
 * @returns d
 */
export function quantizeTernary(x: Float32Array, from: number, trits: Uint8Array): number {
  const d = Math.abs(extremeOf(x, from, 256));
  const inverse = d === 0 ? 0 : Math.fround(1 / d);
  for (let i = 0; i < 256; i++) trits[i] = roundAwayFromZero(Math.fround(x[from + i] * inverse)) + 1;
  return d;
}
