/** Receives the bytes of one file in order: a file, a browser stream, memory. */
export interface ByteSink {
  /** Writes the next bytes. The caller may reuse the buffer when the promise resolves. */
  write(bytes: Uint8Array): Promise<void>;
}

/** A sink in memory, for small files. */
export function memorySink(): ByteSink & { bytes(): Uint8Array } {
  const parts: Uint8Array[] = [];
  let size = 0;
  return {
    async write(bytes) {
      parts.push(bytes.slice());
      size += bytes.length;
    },
    bytes() {
      const all = new Uint8Array(size);
      let offset = 0;
      for (const part of parts) {
        all.set(part, offset);
        offset += part.length;
      }
      return all;
    },
  };
}
