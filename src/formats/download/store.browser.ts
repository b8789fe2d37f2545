/**
 * The cache in the browser's private file system (OPFS). A file is a folder of numbered parts, each written at once, and a
 * list that is written last and makes the file complete. Web Locks keep other tabs and workers from the same file.
 */
import { blobSource } from '../sources/blob.ts';
import { type CacheStore, type ClaimOptions, fillClaimed, type PartialFile } from './cacheStore.ts';
import { NotKeptError, notKept } from './notKept.ts';

const PART_BYTES = 16 * 1024 * 1024;
const LIST = 'complete.json';
const WAIT_INTERVAL = 250;

interface PartList {
  readonly version: string;
  readonly parts: number;
}

/** @param folder name of a folder in the private file system */
export function cacheStore(folder = 'espalier'): CacheStore {
  const at = (path: readonly string[], create = false) => subfolder([folder, ...path], create);
  const store: CacheStore = {
    async open(path) {
      const home = await at(path).catch(() => undefined);
      const files = home && (await completeParts(home));
      // a Blob of files reads each of them only where it is asked to
      return files && blobSource(new Blob(files), path.join('/'));
    },
    async claim(path, version, options = {}) {
      const home = await at(path, true).catch(async (cause) => {
        throw await notKept(path.join('/'), cause);
      });
      const unlock = await lock(`${folder}/${path.join('/')}`, home!, options);
      try {
        if (await completeParts(home!)) {
          unlock();
          return undefined;
        }
        await removeOthers(home!, version);
        return await openPartial(home!, version, unlock);
      } catch (error) {
        unlock();
        throw await notKept(path.join('/'), error);
      }
    },
    async fill(path, version, work) {
      await fillClaimed(await store.claim(path, version), work);
    },
    async remove(path) {
      const bytes = await store.bytes(path);
      const parent = await at(path.slice(0, -1)).catch(() => undefined);
      await parent?.removeEntry(path.at(-1)!, { recursive: true }).catch(undefinedWhenMissing);
      return bytes;
    },
    async names(path) {
      const home = await at(path).catch(() => undefined);
      const names: string[] = [];
      if (home) for await (const name of home.keys()) names.push(name);
      return names;
    },
    async bytes(path) {
      const home = await at(path).catch(() => undefined);
      return home ? bytesIn(home) : 0;
    },
    async available() {
      const { quota, usage } = (await navigator.storage?.estimate?.()) ?? {};
      return quota === undefined ? undefined : Math.max(0, quota - (usage ?? 0));
    },
  };
  return store;
}

/** Waits for the lock of a file. @returns what releases it */
async function lock(
  name: string,
  home: FileSystemDirectoryHandle,
  { signal, onWait }: ClaimOptions,
): Promise<() => void> {
  if (!navigator.locks) return () => {};
  const timer = onWait && setInterval(() => void bytesIn(home).then(onWait, () => {}), WAIT_INTERVAL);
  try {
    return await new Promise<() => void>((resolve, reject) => {
      const held = () => new Promise<void>((release) => resolve(release));
      navigator.locks.request(name, { signal }, held).catch(reject);
    });
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    clearInterval(timer);
  }
}

/** The parts of a complete file. */
async function completeParts(home: FileSystemDirectoryHandle): Promise<File[] | undefined> {
  const list = await readFile(home, LIST);
  if (!list) return undefined;
  const { version, parts } = JSON.parse(await list.text()) as PartList;
  const files = await Promise.all(Array.from({ length: parts }, (_, i) => readFile(home, partName(version, i))));
  return files.every((file) => file !== undefined) ? files : undefined;
}

async function openPartial(home: FileSystemDirectoryHandle, version: string, unlock: () => void): Promise<PartialFile> {
  const written: Blob[] = [];
  for (;;) {
    const part = await readFile(home, partName(version, written.length));
    // a part is empty where its writer was ended before it was closed
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
    // the bytes in the buffer are lost where they cannot be written: a later attempt begins a little earlier
    release: () => finish(() => flush().catch(() => {})),
    discard: () => finish(clear),
  };
}

async function removeOthers(home: FileSystemDirectoryHandle, version: string): Promise<void> {
  const others: string[] = [];
  for await (const name of home.keys()) if (!name.startsWith(`${version}-`)) others.push(name);
  for (const name of others) await home.removeEntry(name, { recursive: true });
}

/** @throws {NotKeptError} where there is no private file system; DOMException */
async function subfolder(path: readonly string[], create: boolean): Promise<FileSystemDirectoryHandle | undefined> {
  if (!navigator.storage?.getDirectory) {
    const reason = globalThis.isSecureContext ? 'this browser has none' : 'only pages of https: and localhost have one';
    const message = `${path.at(-1)}: it cannot be kept without a private file system: ${reason}`;
    throw new NotKeptError('NOT_KEPT', message, { reason });
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

/** A handle that blocks its thread; browsers have them in dedicated workers only. */
interface SyncHandle {
  truncate(size: number): void;
  write(bytes: Uint8Array, options: { at: number }): number;
  flush(): void;
  close(): void;
}

/** Writes a whole file. Safari before 26 can do so in workers only. */
async function writeFile(
  folder: FileSystemDirectoryHandle,
  name: string,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<void> {
  const handle = await folder.getFileHandle(name, { create: true });
  if (typeof handle.createWritable === 'function') {
    const stream = await handle.createWritable();
    try {
      await stream.write(bytes);
      await stream.close();
    } catch (error) {
      await stream.abort().catch(() => {});
      await folder.removeEntry(name).catch(() => {});
      throw error;
    }
    return;
  }
  const { createSyncAccessHandle } = handle as { createSyncAccessHandle?: () => Promise<SyncHandle> };
  if (!createSyncAccessHandle) {
    await folder.removeEntry(name).catch(() => {});
    const message = 'this browser writes files in workers only: load the model in a worker to keep it';
    throw new NotKeptError('NOT_KEPT', message, { reason: 'no createWritable' });
  }
  const sync = await createSyncAccessHandle.call(handle);
  try {
    sync.truncate(0);
    for (let done = 0; done < bytes.length; ) {
      const count = sync.write(bytes.subarray(done), { at: done });
      if (count === 0) throw new DOMException('the private file system is full', 'QuotaExceededError');
      done += count;
    }
    sync.flush();
  } catch (error) {
    sync.close();
    await folder.removeEntry(name).catch(() => {});
    throw error;
  }
  sync.close();
}

async function bytesIn(folder: FileSystemDirectoryHandle): Promise<number> {
  let bytes = 0;
  for await (const entry of folder.values()) {
    if (entry.kind === 'directory') bytes += await bytesIn(entry);
    else bytes += (await entry.getFile()).size;
  }
  return bytes;
}

function partName(version: string, index: number): string {
  return `${version}-${String(index).padStart(6, '0')}`;
}

function undefinedWhenMissing(error: unknown): undefined {
  if (error instanceof DOMException && error.name === 'NotFoundError') return undefined;
  throw error;
}
