/**
 * Interface of the download cache: a folder in Node, the private file system (OPFS) in browsers. A path is a list of names,
 * e.g. ['files', '3f2a…', 'bytes']. Names have at most 80 characters of [a-z0-9.-], which every file system accepts and
 * keeps distinct.
 */
import type { ByteSource } from '../byteSource.ts';

export interface CacheStore {
  /** Opens a complete file. Returns undefined if there is none. */
  open(path: readonly string[]): Promise<ByteSource | undefined>;
  /**
   * Waits until nobody else writes the file, then opens the partial file of an earlier download, or a new one, for writing.
   * @returns undefined if the file is complete, e.g. because another process has written it
   * @throws {NotKeptError} if this machine or browser cannot store it; the signal's reason
   */
  claim(path: readonly string[], version: string, options?: ClaimOptions): Promise<PartialFile | undefined>;
  /** Writes a file with `work`. It replaces the older one when `work` resolves. */
  fill(path: readonly string[], version: string, work: (partial: PartialFile) => Promise<void>): Promise<void>;
  /** Removes a file or a folder of files, complete or not. @returns bytes freed */
  remove(path: readonly string[]): Promise<number>;
  /** Names in a folder. */
  names(path: readonly string[]): Promise<readonly string[]>;
  /** Bytes of a file or folder, including partial files. */
  bytes(path: readonly string[]): Promise<number>;
  /** Bytes still available; undefined if unknown. */
  available(): Promise<number | undefined>;
}

export interface ClaimOptions {
  readonly signal?: AbortSignal;
  /** Called repeatedly while another process writes the file, with the bytes written so far. */
  readonly onWait?: (bytes: number) => void;
}

/** A file that is being written. Exactly one of `complete`, `release` and `discard` ends it. */
export interface PartialFile {
  /** Bytes written so far. */
  readonly size: number;
  append(bytes: Uint8Array): Promise<void>;
  /** Reads bytes that were written. */
  read(offset: number, length: number, into: Uint8Array): Promise<void>;
  /** Removes all bytes. */
  clear(): Promise<void>;
  /** Makes the file complete, atomically even if the process is killed. `read` still works afterwards. */
  complete(): Promise<void>;
  /** Keeps the bytes for the next attempt. */
  release(): Promise<void>;
  /** Removes the bytes. */
  discard(): Promise<void>;
}

/** `CacheStore.fill` in terms of `claim`. */
export async function fillClaimed(claimed: PartialFile, work: (partial: PartialFile) => Promise<void>): Promise<void> {
  try {
    await work(claimed);
    await claimed.complete();
  } finally {
    await claimed.release();
  }
}

/** Runs `work` on a claimed file. Releases the file if it fails. */
export async function releasingOnError(
  claimed: PartialFile | undefined,
  work: () => Promise<void>,
): Promise<PartialFile | undefined> {
  try {
    await work();
    return claimed;
  } catch (error) {
    await claimed?.discard().catch(() => {});
    throw error;
  }
}

/** Reads a small text file. @returns undefined if there is none */
export async function readSmallFile(store: CacheStore, path: readonly string[]): Promise<string | undefined> {
  const source = await store.open(path);
  if (!source) return undefined;
  try {
    const bytes = new Uint8Array(source.size);
    await source.read(0, bytes.length, bytes);
    return new TextDecoder().decode(bytes);
  } finally {
    await source.close();
  }
}

/** Writes a small text file, replacing an older one. */
export async function writeSmallFile(store: CacheStore, path: readonly string[], text: string): Promise<void> {
  await store.fill(path, 'text', async (partial) => {
    await partial.clear();
    await partial.append(new TextEncoder().encode(text));
  });
}

/** Extension of partial files on disk, as in Hugging Face's tools. */
export const PARTIAL_SUFFIX = '.incomplete';

/** True for the name of a partial file of `file`. */
export function isPartialOf(name: string, file: string): boolean {
  return name.startsWith(`${file}.`) && name.endsWith(PARTIAL_SUFFIX);
}
