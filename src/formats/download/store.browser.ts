/**
 * The cache in the browser's private file system. A file is a folder of parts of equal size, each written at once,
 * and a list that is written last: with it the file is complete. Web Locks keep other tabs from the same file.
 */
import { UnsupportedError } from '../../core/errors.ts';
import { blobSource } from '../sources/blob.ts';
import type { CacheStore, PartialFile } from './cacheStore.ts';

const PART_BYTES = 16 * 1024 * 1024;
const LIST = 'complete.json';

/** @param folder name of a folder in the private file system */
export function cacheStore(folder = 'espalier'): CacheStore {
  const at = (path: readonly string[], create = false) => subfolder([folder, ...path], create);
  return {
    async open(path) {
      const home = await at(path);
      const list = home && (await readFile(home, LIST));
      if (!list) return undefined;
      const { version, parts } = JSON.parse(await list.text()) as { version: string; parts: number };
      const files = await Promise.all(Array.from({ length: parts }, (_, i) => readFile(home, partName(version, i))));
      if (!files.every((file) => file !== undefined)) return undefined;
      // a Blob of files reads each of them only where it is asked to
      return blobSource(new Blob(files), path.join('/'));
    },
    async fill(path, version, work) {
      await navigator.locks.request(`${folder}/${path.join('/')}`, async () => {
        if (await this.open(path)) return;
        const home = (await at(path, true))!;
        await removeOthers(home, version);
        const parts = await writeParts(home, version, work);
        await writeFile(home, LIST, new TextEncoder().encode(JSON.stringify({ version, parts })));
      });
    },
    async markAbsent(path) {
      await writeFile((await at(path, true))!, 'absent', new Uint8Array(0));
    },
    async isAbsent(path) {
      const home = await at(path);
      return home !== undefined && (await readFile(home, 'absent')) !== undefined;
    },
  };
}

/** Writes the parts that are missing; returns how many there are then. */
async function writeParts(
  home: FileSystemDirectoryHandle,
  version: string,
  work: (partial: PartialFile) => Promise<void>,
): Promise<number> {
  const written: Blob[] = [];
  for (;;) {
    const part = await readFile(home, partName(version, written.length));
    if (part?.size !== PART_BYTES) break;
    written.push(part);
  }
  const buffer = new Uint8Array(PART_BYTES);
  let filled = 0;
  const flush = async () => {
    const name = partName(version, written.length);
    await writeFile(home, name, buffer.subarray(0, filled));
    written.push((await readFile(home, name))!);
    filled = 0;
  };
  await work({
    get size() {
      return written.length * PART_BYTES + filled;
    },
    async append(bytes) {
      for (let done = 0; done < bytes.length; ) {
        const part = bytes.subarray(done, done + PART_BYTES - filled);
        buffer.set(part, filled);
        filled += part.length;
        done += part.length;
        if (filled === PART_BYTES) await flush();
      }
    },
    read: (offset, length, into) =>
      blobSource(new Blob([...written, buffer.slice(0, filled)])).read(offset, length, into),
    async clear() {
      written.length = 0;
      filled = 0;
    },
  });
  if (filled > 0) await flush();
  return written.length;
}

async function removeOthers(home: FileSystemDirectoryHandle, version: string): Promise<void> {
  for await (const name of home.keys()) {
    if (!name.startsWith(`${version}-`)) await home.removeEntry(name);
  }
}

async function subfolder(path: readonly string[], create: boolean): Promise<FileSystemDirectoryHandle | undefined> {
  if (!navigator.storage?.getDirectory) {
    throw new UnsupportedError('keeping downloads', 'without a private file system', ['pages of secure contexts']);
  }
  let folder = await navigator.storage.getDirectory();
  for (const name of path) {
    const next = await folder.getDirectoryHandle(name, { create }).catch(undefinedWhenMissing);
    if (!next) return undefined;
    folder = next;
  }
  return folder;
}

async function readFile(folder: FileSystemDirectoryHandle, name: string): Promise<File | undefined> {
  const handle = await folder.getFileHandle(name).catch(undefinedWhenMissing);
  return handle?.getFile();
}

/** Writes a file at once: it is there whole or not at all. */
async function writeFile(
  folder: FileSystemDirectoryHandle,
  name: string,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<void> {
  const stream = await (await folder.getFileHandle(name, { create: true })).createWritable();
  await stream.write(bytes);
  await stream.close();
}

function partName(version: string, index: number): string {
  return `${version}-${String(index).padStart(6, '0')}`;
}

function undefinedWhenMissing(error: unknown): undefined {
  if (error instanceof DOMException && error.name === 'NotFoundError') return undefined;
  throw error;
}
