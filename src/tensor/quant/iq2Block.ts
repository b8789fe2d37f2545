/**
 * Parts that IQ2 and IQ3 formats share: magnitudes from a codebook, a sign for each element, and a small scale for every 16
 * or 32 elements.
 */
import type { Codebook } from './codebooks.ts';

/** Magnitudes of an IQ2 codebook's digits. */
export const iq2Magnitudes = new Uint8Array([8, 25, 43]);

/**
 * The signs of 8 elements that 7 bits stand for: the number of minus signs is even, so the eighth follows from the others.
 * Bit i is set if element i is negative.
 */
export function evenSigns(seven: number): number {
  let parity = seven;
  parity ^= parity >> 4;
  parity ^= parity >> 2;
  parity ^= parity >> 1;
  return seven | ((parity & 1) << 7);
}

/** Writes a vector of a codebook: scale · magnitude, negative where a bit of `signs` is set. */
export function writeVector(
  { length, digits }: Codebook,
  index: number,
  magnitudes: Uint8Array,
  scale: number,
  signs: number,
  to: Float32Array,
  x: number,
): void {
  for (let i = 0; i < length; i++)
    to[x + i] = scale * magnitudes[digits[index * length + i]] * (signs & (1 << i) ? -1 : 1);
}
