import { concatenated } from '../core/concatenated.ts';

/** Receives the bytes of one file in order: a file, a browser stream, memory. */
export interface ByteSink {
  /** Writes the next bytes. The caller may reuse the buffer when the promise resolves. */
  write(bytes: Uint8Array): Promise<void>;
}

/** A sink in memory, for small files. */
export function memorySink(): ByteSink & { bytes(): Uint8Array } {
  const parts: Uint8Array[] = [];
  return {
    async write(bytes) {
      parts.push(bytes.slice());
    },
    bytes: () => concatenated(parts),
  };
}
