/**
 * Where files are kept between runs: a folder in Node, the private file system in browsers. A file has a path of several
 * names, such as ['files', '3f2a…', 'bytes']; names are at most 80 characters of [a-z0-9.-], so that no file system merges
 * or refuses them.
 */
import type { ByteSource } from '../byteSource.ts';

export interface CacheStore {
  /** Opens a complete file; undefined where there is none. */
  open(path: readonly string[]): Promise<ByteSource | undefined>;
  /**
   * Waits until nobody else writes the file, then opens what is left of an earlier download for writing.
   * @returns undefined where the file is complete, perhaps since somebody else wrote it meanwhile
   * @throws {NotKeptError} where this machine or browser cannot keep it; the signal's reason
   */
  claim(path: readonly string[], version: string, options?: ClaimOptions): Promise<PartialFile | undefined>;
  /** Writes a file with `work`, which replaces an older one when it resolves. */
  fill(path: readonly string[], version: string, work: (partial: PartialFile) => Promise<void>): Promise<void>;
  /** Removes a file or a folder of files, complete or not. @returns bytes freed */
  remove(path: readonly string[]): Promise<number>;
  /** Names in a folder. */
  names(path: readonly string[]): Promise<readonly string[]>;
  /** Bytes of a file or folder, partial files included. */
  bytes(path: readonly string[]): Promise<number>;
  /** Bytes that can still be written; undefined where nobody knows. */
  available(): Promise<number | undefined>;
}

export interface ClaimOptions {
  readonly signal?: AbortSignal;
  /** Called now and then while somebody else writes the file, with the number of bytes written so far. */
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
  /** Makes the file complete. It is there whole or not at all, whenever the process ends. `read` still works afterwards. */
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

/** Runs `work` for a claimed file; gives the file back if it fails. */
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

/** Reads a small text file. @returns undefined where there is none */
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

/** Writes a small text file, which replaces an older one. */
export async function writeSmallFile(store: CacheStore, path: readonly string[], text: string): Promise<void> {
  await store.fill(path, 'text', async (partial) => {
    await partial.clear();
    await partial.append(new TextEncoder().encode(text));
  });
}

/** End of the names of partial files on a disk, as Hugging Face's tools have it. */
export const PARTIAL_SUFFIX = '.incomplete';

/** True for the name of a partial file of `file`. */
export function isPartialOf(name: string, file: string): boolean {
  return name.startsWith(`${file}.`) && name.endsWith(PARTIAL_SUFFIX);
}
