/** ChaCha20 keystream (RFC 8439) with a nonce of zeros. A seed must be used for one stream only. */
import { chacha20 } from '@noble/ciphers/chacha.js';

const BLOCK = 64;
const NONCE = new Uint8Array(12);
const ZEROS = new Uint8Array(1 << 16);

/** @param seed 32 bytes @returns a function that returns the next bytes, at most 64 KiB; all but the last multiples of 64 */
export function keystream(seed: Uint8Array): (bytes: number) => Uint8Array {
  let block = 0;
  return (bytes) => {
    const stream = chacha20(seed, NONCE, ZEROS.subarray(0, bytes), undefined, block);
    block += bytes / BLOCK;
    return stream;
  };
}
