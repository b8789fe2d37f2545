/** A folder of checkpoint files: a directory, a folder of the origin private file system, or memory in a test. */
import type { ByteSink } from '../../formats/byteSink.ts';
import type { ByteSource } from '../../formats/byteSource.ts';

export interface CheckpointFolder {
  /** Name for error messages. */
  readonly name: string;
  /** Names of the complete files. Empty if the folder does not exist. */
  list(): Promise<readonly string[]>;
  open(file: string): Promise<ByteSource>;
  /**
   * Writes a file atomically: after a crash at any moment the file has either its new or its old content.
   * @throws errors of `work`, and {SourceError} e.g. if the disk is full. The file then keeps its old content
   */
  replace(file: string, work: (sink: ByteSink) => Promise<void>): Promise<void>;
  /** Removes a file if it exists. */
  remove(file: string): Promise<void>;
}
