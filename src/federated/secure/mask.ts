/** Adds masks to vectors of integers mod 2³². */
import { keystream } from '#leaf/federated/secure/keystream';

const PIECE = 1 << 16;

/**
 * Adds or subtracts the mask of a seed in place.
 * @param vector integers mod 2³² @param seed 32 bytes @param sign 1 or −1
 */
export function addMask(vector: Int32Array, seed: Uint8Array, sign: 1 | -1): void {
  const next = keystream(seed);
  for (let at = 0; at < vector.length; at += PIECE / 4) {
    const length = Math.min(PIECE / 4, vector.length - at);
    const bytes = next(4 * length);
    const aligned = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
    const mask = new Int32Array(aligned.buffer, aligned.byteOffset, length);
    if (sign === 1) for (let i = 0; i < length; i++) vector[at + i] = (vector[at + i] + mask[i]) | 0;
    else for (let i = 0; i < length; i++) vector[at + i] = (vector[at + i] - mask[i]) | 0;
  }
}

/** Adds integers mod 2³² in place. @param bytes little-endian integers, as many as `sum` has */
export function addIntegers(sum: Int32Array, bytes: Uint8Array): void {
  const aligned = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
  const values = new Int32Array(aligned.buffer, aligned.byteOffset, sum.length);
  for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] + values[i]) | 0;
}
