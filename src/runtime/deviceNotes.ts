/** Keeps measurements of this device in the download cache, one file each. */
import { cacheStore } from '#leaf/formats/download/store';
import type { Notes } from '../graph/program.ts';

interface Note {
  readonly name: string;
  readonly text: string;
}

/** @param folder cache folder, as `CacheOptions.folder` */
export function deviceNotes(folder?: string): Notes {
  const store = cacheStore(folder);
  return {
    async read(name) {
      try {
        const source = await store.open(pathOf(name));
        if (!source) return undefined;
        const bytes = new Uint8Array(source.size);
        await source.read(0, bytes.length, bytes);
        await source.close();
        const note = JSON.parse(new TextDecoder().decode(bytes)) as Note;
        return note.name === name ? note.text : undefined;
      } catch {
        return undefined;
      }
    },
    async write(name, text) {
      const bytes = new TextEncoder().encode(JSON.stringify({ name, text } satisfies Note));
      try {
        await store.fill(pathOf(name), 'note', async (partial) => {
          if (partial.size > 0) await partial.clear();
          await partial.append(bytes);
        });
      } catch {
        // no private file system, or a read-only folder: it is measured again next time
      }
    },
  };
}

/** Two FNV-1a hashes of the name. If two names collide, the name inside the file decides. */
function pathOf(name: string): string[] {
  const hash = (seed: number) => {
    let value = seed;
    for (let i = 0; i < name.length; i++) value = Math.imul(value ^ name.charCodeAt(i), 0x01000193);
    return (value >>> 0).toString(16).padStart(8, '0');
  };
  return ['device', hash(0x811c9dc5) + hash(0x1234567)];
}
