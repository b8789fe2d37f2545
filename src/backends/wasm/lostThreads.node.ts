/**
 * Notices in the middle of a step that a helper thread has ended. The caller's thread computes then, so it receives no events. But
 * Node closes the files that a worker has opened when the worker ends (`trackUnmanagedFds`), and looking at a file needs no events:
 * every helper opens one, and the caller looks whether it is still open.
 */
import { fstatSync } from 'node:fs';

interface OpenFile {
  readonly fd: number;
  readonly ino: number;
  readonly dev: number;
}

const watched = new WeakMap<WebAssembly.Memory, Set<OpenFile>>();

/** @param fd file that the helper has opened; negative: none @returns a function that ends the watch */
export function watchThread(memory: WebAssembly.Memory, fd: number): () => void {
  const file = statOf(fd);
  if (!file) return () => undefined;
  const files = watched.get(memory) ?? new Set();
  watched.set(memory, files.add(file));
  return () => files.delete(file);
}

/** True if a watched helper of this memory has ended. */
export function hasLostThread(memory: WebAssembly.Memory): boolean {
  for (const { fd, ino, dev } of watched.get(memory) ?? []) {
    const now = statOf(fd);
    if (now?.ino !== ino || now.dev !== dev) return true;
  }
  return false;
}

function statOf(fd: number): OpenFile | undefined {
  try {
    const { ino, dev } = fstatSync(fd);
    return { fd, ino, dev };
  } catch {
    return undefined;
  }
}
