/** A file in memory. */
import { type ByteSource, checkRange } from '../byteSource.ts';

/** @param bytes read in place, never copied as a whole */
export function memorySource(bytes: Uint8Array, name = 'bytes'): ByteSource {
  const source: ByteSource = {
    name,
    size: bytes.length,
    // rows read from it would keep the caller's bytes in memory
    isLocal: false,
    async read(offset, length, into, signal) {
      signal?.throwIfAborted();
      checkRange(source, offset, length, into);
      into.set(bytes.subarray(offset, offset + length));
    },
    async close() {},
  };
  return source;
}
