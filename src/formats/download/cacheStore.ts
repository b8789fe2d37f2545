/** Where downloaded files are kept, by paths of several names such as ['huggingface.co', 'owner', 'repo', 'main', 'x.gguf']. */
import type { ByteSource } from '../byteSource.ts';

export interface CacheStore {
  /** The complete file at a path; undefined where there is none. */
  open(path: readonly string[]): Promise<ByteSource | undefined>;
  /**
   * Makes a file complete, all at once: `work` appends what the partial file lacks, and when it resolves the file is
   * there. When it throws, the partial file is kept for the next try. Nobody else writes the partial file meanwhile.
   * @param version names what is downloaded; a partial file of another version is thrown away
   */
  fill(path: readonly string[], version: string, work: (partial: PartialFile) => Promise<void>): Promise<void>;
  /** Remembers that the server has no such file, so that nobody asks again. */
  markAbsent(path: readonly string[]): Promise<void>;
  isAbsent(path: readonly string[]): Promise<boolean>;
}

export interface PartialFile {
  /** Bytes so far. */
  readonly size: number;
  append(bytes: Uint8Array): Promise<void>;
  /** Reads bytes that are there. */
  read(offset: number, length: number, into: Uint8Array): Promise<void>;
  /** Throws all bytes away. */
  clear(): Promise<void>;
}
