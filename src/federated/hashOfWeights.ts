import { hashOf } from '../formats/packages/hash.ts';

/** SHA-256 of shared weights, in hexadecimal. */
export function hashOfWeights(weights: Float32Array): string {
  return hashOf(new Uint8Array(weights.buffer, weights.byteOffset, weights.byteLength));
}
