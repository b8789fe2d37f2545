/** A folder of checkpoint files: a directory, a browser's private file system, memory in a test. */
import type { ByteSink } from '../../formats/byteSink.ts';
import type { ByteSource } from '../../formats/byteSource.ts';

export interface CheckpointFolder {
  /** As errors name it. */
  readonly name: string;
  /** Names of the files in it, whole ones only; none where there is no folder. */
  list(): Promise<readonly string[]>;
  open(file: string): Promise<ByteSource>;
  /**
   * Makes a file all at once: after a crash at any moment it is there as `work` wrote it, or as it was before.
   * @throws what `work` throws, and where the disk is full; the file is then as it was before
   */
  replace(file: string, work: (sink: ByteSink) => Promise<void>): Promise<void>;
  /** Removes a file, if it is there. */
  remove(file: string): Promise<void>;
}
