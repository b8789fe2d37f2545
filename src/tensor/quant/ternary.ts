import { roundAwayFromZero, roundWithin } from './round.ts';
import { extremeOf, fitScale } from './search.ts';

/**
 * x ≈ d * (q - 1), q in 0..2, for 256 elements. Without importance they are taken to be ternary already: d is the greatest
 * magnitude, as in ggml's encoder. With importance d is searched for.
 * @param trits receives q
 * @returns d
 */
export function quantizeTernary(
  x: Float32Array,
  from: number,
  importance: Float32Array | undefined,
  trits: Uint8Array,
): number {
  if (importance) {
    const d = fitScale(x, from, 256, importance, from, -1, 1);
    for (let i = 0; i < 256; i++) trits[i] = (d === 0 ? 0 : roundWithin(x[from + i] / d, -1, 1)) + 1;
    return d;
  }
  const d = Math.abs(extremeOf(x, from, 256));
  const inverse = d === 0 ? 0 : Math.fround(1 / d);
  for (let i = 0; i < 256; i++) trits[i] = roundAwayFromZero(Math.fround(x[from + i] * inverse)) + 1;
  return d;
}
