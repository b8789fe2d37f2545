/** ChaCha20 keystream (RFC 8439) with a nonce of zeros. A seed must be used for one stream only. */
import { createCipheriv } from 'node:crypto';

const ZEROS = new Uint8Array(1 << 16);

/** @param seed 32 bytes @returns a function that returns the next bytes, at most 64 KiB */
export function keystream(seed: Uint8Array): (bytes: number) => Uint8Array {
  const cipher = createCipheriv('chacha20', seed, new Uint8Array(16));
  return (bytes) => cipher.update(ZEROS.subarray(0, bytes));
}
