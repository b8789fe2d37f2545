/** Reads and writes files of the browser's private file system (OPFS). */
import { NotKeptError } from './notKept.ts';

/** Name of the list that makes a stored file complete. */
export const LIST = 'complete.json';

export interface PartList {
  readonly version: string;
  readonly parts: number;
}

/** Parts of a complete file; undefined if it is not complete. */
export async function completeParts(home: FileSystemDirectoryHandle): Promise<File[] | undefined> {
  const list = await readFile(home, LIST);
  if (!list) return undefined;
  const { version, parts } = JSON.parse(await list.text()) as PartList;
  const files = await Promise.all(Array.from({ length: parts }, (_, i) => readFile(home, partName(version, i))));
  return files.every((file) => file !== undefined) ? files : undefined;
}

export async function readFile(folder: FileSystemDirectoryHandle, name: string): Promise<File | undefined> {
  const handle = await folder.getFileHandle(name).catch(undefinedWhenMissing);
  return handle?.getFile();
}

/** A synchronous handle. Only available in dedicated workers. */
interface SyncHandle {
  truncate(size: number): void;
  write(bytes: Uint8Array, options: { at: number }): number;
  flush(): void;
  close(): void;
}

/** Writes a whole file. In Safari before 26 this only works in workers. */
export async function writeFile(
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
      // Chromium reports an exceeded quota as "AbortError: Failed to write data to data pipe"
      if ((error as Error).name === 'AbortError')
        throw new DOMException((error as Error).message, 'QuotaExceededError');
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

export function partName(version: string, index: number): string {
  return `${version}-${String(index).padStart(6, '0')}`;
}

export function undefinedWhenMissing(error: unknown): undefined {
  if (error instanceof DOMException && error.name === 'NotFoundError') return undefined;
  throw error;
}
