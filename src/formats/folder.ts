/** A folder of model files, wherever it is: a directory, the files below a URL, a hub's repository. */
import type { ByteSource } from './byteSource.ts';

export interface Folder {
  /** Path, URL or repository, as errors name it. */
  readonly name: string;
  /** Opens a file of the folder; undefined where there is none of that name. @throws {SourceError} */
  open(file: string, signal?: AbortSignal): Promise<ByteSource | undefined>;
}
