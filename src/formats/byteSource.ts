/** Random access to the bytes of one file, wherever it is: disk, HTTP, memory, a browser's File or OPFS. */
import { FormatError, grouped } from '../core/errors.ts';

export interface ByteSource {
  /** Path, URL or file name, for error messages. */
  readonly name: string;
  /** Number of bytes. */
  readonly size: number;
  /** True if any bytes can be read at any time at little cost: a file on disk or in OPFS, a Blob. Undefined: not known yet. */
  readonly isLocal?: boolean;
  /**
   * Reads exactly `length` bytes from `offset` into the start of `into` (which may be a view of shared memory).
   * @throws {SourceError} if the bytes cannot be read @throws {FormatError} if the file ends before them
   */
  read(offset: number, length: number, into: Uint8Array, signal?: AbortSignal): Promise<void>;
  /**
   * Only for sources that store the file while it is read: downloads the rest, verifies the file and stores it.
   * @throws {SourceError} if the bytes are not those that the server described: what was read must not be used
   */
  finish?(signal?: AbortSignal): Promise<void>;
  /** Releases file handles and connections. Later reads throw. */
  close(): Promise<void>;
}

/** Checks a range, for all sources. @throws {FormatError} if the file ends before the range does */
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

/** Runs `work`. Closes the sources if it fails. */
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

/** Completes the downloads in progress. @throws {SourceError} if the bytes are wrong */
export async function finishAll(sources: readonly ByteSource[], signal?: AbortSignal): Promise<void> {
  for (const source of sources) await source.finish?.(signal);
}
