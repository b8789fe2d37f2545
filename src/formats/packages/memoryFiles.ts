/** A store's files in memory: for tests, and where a browser keeps nothing. */
import { PackageError } from './packageError.ts';
import type { StoreFiles } from './storeFiles.ts';

/** @param files what is there already, by path */
export function memoryFiles(files = new Map<string, Uint8Array>(), name = 'memory'): StoreFiles {
  const held = new Map<string, number>();
  const locks = new Map<string, Promise<unknown>>();
  return {
    name,
    isDurable: true,
    async size(path) {
      return files.get(path)?.length;
    },
    async read(path, offset, into) {
      const bytes = files.get(path);
      if (!bytes || offset + into.length > bytes.length) throw missingBytes(name, path, offset + into.length);
      into.set(bytes.subarray(offset, offset + into.length));
    },
    async write(path, bytes) {
      files.set(path, bytes.slice());
    },
    async remove(path) {
      files.delete(path);
    },
    async list(path) {
      const below = [...files.keys()].filter((file) => file.startsWith(`${path}/`));
      return [...new Set(below.map((file) => file.slice(path.length + 1).split('/')[0]))];
    },
    async locked(lock, work, signal) {
      const before = locks.get(lock) ?? Promise.resolve();
      const mine = before.then(() => {
        signal?.throwIfAborted();
        return work();
      });
      locks.set(
        lock,
        mine.catch(() => {}),
      );
      return mine;
    },
    async hold(generation) {
      held.set(generation, (held.get(generation) ?? 0) + 1);
      let released = false;
      return async () => {
        if (released) return;
        released = true;
        const left = held.get(generation)! - 1;
        if (left > 0) held.set(generation, left);
        else held.delete(generation);
      };
    },
    async held() {
      return new Set(held.keys());
    },
    async sweep() {
      return 0;
    },
  };
}

/** A file of a store is missing or shorter than its record says. */
export function missingBytes(store: string, path: string, expected: number): PackageError {
  const problem = `the file ${path} is missing or ends before byte ${expected}: the store is damaged`;
  return new PackageError('BAD_STORE', `${store}: ${problem}`, { store, path, expected });
}
