/** A folder of model files: a directory, the files below a URL, a repository of a hub. */
import type { ByteSource } from './byteSource.ts';

export interface Folder {
  /** Path, URL or repository, for error messages. */
  readonly name: string;
  /** Opens a file. Returns undefined if the folder has no file of that name. @throws {SourceError} */
  open(file: string, signal?: AbortSignal): Promise<ByteSource | undefined>;
}
