/** The cache that Hugging Face's tools keep on this machine, as far as Espalier reads and writes it. */
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
  /** @param etag of the bytes, which several commits may share @returns undefined where the file is complete by now */
  claim(file: HubFile, etag: string, options?: ClaimOptions): Promise<PartialFile | undefined>;
  /** The commit that a branch or tag pointed to when it was last asked for. */
  commitOf(owner: string, repo: string, revision: string): Promise<string | undefined>;
  rememberCommit(owner: string, repo: string, revision: string, commit: string): Promise<void>;
  /** True where the commit is known to have no such file. */
  isAbsent(file: HubFile): Promise<boolean>;
  rememberAbsent(file: HubFile): Promise<void>;
  /** All files. */
  list(): Promise<readonly StoredHubFile[]>;
  /** Removes a file of a commit, and its bytes where no other commit needs them. @returns bytes freed */
  remove(file: HubFile): Promise<number>;
}

export interface StoredHubFile extends HubFile {
  readonly bytes: number;
  /** False where the bytes are not all there. */
  readonly complete: boolean;
}
