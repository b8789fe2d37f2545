/**
 * Partial files in the browser's private file system. A file is a folder of numbered parts. The list of parts is written
 * last and makes the file complete.
 */
import { blobSource } from '../sources/blob.ts';
import type { PartialFile } from './cacheStore.ts';
import { LIST, type PartList, partName, readFile, undefinedWhenMissing, writeFile } from './opfs.ts';

const PART_BYTES = 16 * 1024 * 1024;
/** Opens the rest of an earlier download. @param unlock called when the file is complete, released or discarded */
export async function claimPartial(
  home: FileSystemDirectoryHandle,
  version: string,
  unlock: () => void,
): Promise<PartialFile> {
  await removeOthers(home, version);
  const written: Blob[] = [];
  for (;;) {
    const part = await readFile(home, partName(version, written.length));
    // a part is empty if its writer ended before closing it
    if (!part?.size) break;
    written.push(part);
  }
  let writtenBytes = written.reduce((sum, { size }) => sum + size, 0);
  let buffer = new Uint8Array(0);
  let filled = 0;
  let ended = false;
  const flush = async () => {
    if (filled === 0) return;
    const name = partName(version, written.length);
    await writeFile(home, name, buffer.subarray(0, filled));
    written.push((await readFile(home, name))!);
    writtenBytes += filled;
    filled = 0;
  };
  const clear = async () => {
    filled = 0;
    while (written.length > 0) {
      await home.removeEntry(partName(version, written.length - 1)).catch(undefinedWhenMissing);
      written.pop();
    }
    writtenBytes = 0;
  };
  const finish = async (last: () => Promise<unknown>) => {
    if (ended) return;
    ended = true;
    try {
      await last();
    } finally {
      unlock();
    }
  };
  return {
    get size() {
      return writtenBytes + filled;
    },
    async append(bytes) {
      if (buffer.length === 0) buffer = new Uint8Array(PART_BYTES);
      for (let done = 0; done < bytes.length; ) {
        const part = bytes.subarray(done, done + PART_BYTES - filled);
        buffer.set(part, filled);
        filled += part.length;
        done += part.length;
        if (filled === PART_BYTES) await flush();
      }
    },
    async read(offset, length, into) {
      const stored = Math.max(0, Math.min(length, writtenBytes - offset));
      if (stored > 0) await blobSource(new Blob(written)).read(offset, stored, into);
      const from = Math.max(0, offset - writtenBytes);
      into.set(buffer.subarray(from, from + length - stored), stored);
    },
    clear,
    async complete() {
      await flush();
      buffer = new Uint8Array(0);
      const list: PartList = { version, parts: written.length };
      await writeFile(home, LIST, new TextEncoder().encode(JSON.stringify(list)));
      await finish(async () => {});
    },
    // if the buffer cannot be written, its bytes are lost, and the next attempt downloads them again
    release: () => finish(() => flush().catch(() => {})),
    discard: () => finish(clear),
  };
}

async function removeOthers(home: FileSystemDirectoryHandle, version: string): Promise<void> {
  const others: string[] = [];
  for await (const name of home.keys()) if (!name.startsWith(`${version}-`)) others.push(name);
  for (const name of others) await home.removeEntry(name, { recursive: true });
}
