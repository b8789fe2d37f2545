/** Reads a browser's Blob or File, including files of the private file system (OPFS). */
import { SourceError } from '../../core/errors.ts';
import { type ByteSource, checkRange } from '../byteSource.ts';

/** Maximum bytes per read. A Blob cannot be read into a given view, so each read is copied. */
const PART_BYTES = 4 * 1024 * 1024;

export function blobSource(blob: Blob, name = blob instanceof File ? blob.name : 'blob'): ByteSource {
  const source: ByteSource = {
    name,
    size: blob.size,
    isLocal: true,
    async read(offset, length, into, signal) {
      checkRange(source, offset, length, into);
      for (let done = 0; done < length; done += PART_BYTES) {
        signal?.throwIfAborted();
        const part = blob.slice(offset + done, offset + Math.min(length, done + PART_BYTES));
        const bytes = await part.arrayBuffer().catch((cause: Error) => {
          throw new SourceError(name, `cannot be read: ${cause.message}`, { offset }, { cause });
        });
        into.set(new Uint8Array(bytes), done);
      }
    },
    async close() {},
  };
  return source;
}
