/** Interface of the hub cache: the parts of Hugging Face's cache that Espalier reads and writes. */
import type { ByteSource } from '../byteSource.ts';
import type { CacheStore, ClaimOptions, PartialFile } from './cacheStore.ts';

/** One file of one commit. */
export interface HubFile {
  readonly owner: string;
  readonly repo: string;
  readonly commit: string;
  /** Path inside the repository. */
  readonly file: string;
}

export interface HubCache extends Pick<CacheStore, 'available'> {
  /** Opens a complete file. */
  open(file: HubFile): Promise<ByteSource | undefined>;
  /** @param etag version of the bytes; commits may share it @returns undefined if the file is complete */
  claim(file: HubFile, etag: string, options?: ClaimOptions): Promise<PartialFile | undefined>;
  /** Last known commit of a branch or tag. */
  commitOf(owner: string, repo: string, revision: string): Promise<string | undefined>;
  rememberCommit(owner: string, repo: string, revision: string, commit: string): Promise<void>;
  /** True if the commit is known not to have the file. */
  isAbsent(file: HubFile): Promise<boolean>;
  rememberAbsent(file: HubFile): Promise<void>;
  /** All files. */
  list(): Promise<readonly StoredHubFile[]>;
  /** Removes a file of a commit, and its bytes if no other commit uses them. @returns bytes freed */
  remove(file: HubFile): Promise<number>;
}

export interface StoredHubFile extends HubFile {
  readonly bytes: number;
  /** False for a partial file. */
  readonly complete: boolean;
}
