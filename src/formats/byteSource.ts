/** Random access to the bytes of one file, wherever it is: disk, HTTP, memory, a browser's File or OPFS. */
import { FormatError, grouped } from '../core/errors.ts';

export interface ByteSource {
  /** Path, URL or file name, as errors name it. */
  readonly name: string;
  /** Bytes in all. */
  readonly size: number;
  /**
   * Reads exactly `length` bytes from `offset` into the start of `into` (which may be a view of shared memory).
   * @throws {SourceError} when the bytes cannot be had; {FormatError} when the file ends before them
   */
  read(offset: number, length: number, into: Uint8Array, signal?: AbortSignal): Promise<void>;
  /** Gives file handles back; reading afterwards is an error. */
  close(): Promise<void>;
}

/** What every source checks before it reads. @throws {FormatError} when the file ends before the range does */
export function checkRange(source: ByteSource, offset: number, length: number, into: Uint8Array): void {
  if (length > into.length) throw new RangeError(`${length} bytes do not fit a view of ${into.length}`);
  if (offset < 0 || offset + length > source.size) {
    const asked = `bytes ${grouped(offset)} to ${grouped(offset + length)} were asked for`;
    throw new FormatError(source.name, `${asked} but the file has ${grouped(source.size)}: it is truncated`, {
      offset,
      expected: offset + length,
      found: source.size,
    });
  }
}

/** Work on open sources, which are closed when it fails. */
export async function closingOnError<T>(sources: readonly ByteSource[], work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    await closeAll(sources);
    throw error;
  }
}

export async function closeAll(sources: readonly ByteSource[]): Promise<void> {
  await Promise.all(sources.map((source) => source.close()));
}
