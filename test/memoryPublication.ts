/** A folder in memory to publish packages in and to pull them from. */
import { memorySink } from '../src/formats/byteSink.ts';
import type { Publication } from '../src/package/index.ts';

/** @param files contents by path */
export function memoryPublication(files: Map<string, Uint8Array>): Publication {
  return {
    name: 'published',
    async open(path, offset) {
      const bytes = files.get(path);
      if (!bytes) return undefined;
      let at = offset;
      return {
        size: bytes.length,
        async read(into) {
          into.set(bytes.subarray(at, at + into.length));
          at += into.length;
        },
        async close() {},
      };
    },
    async write(path, parts) {
      const sink = memorySink();
      for await (const part of parts) await sink.write(part);
      files.set(path, sink.bytes());
    },
  };
}
