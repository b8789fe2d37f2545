/** Reads files on HTTP servers. */
import type { OnProgress } from '../../core/progress.ts';
import { type ByteSource, checkRange } from '../byteSource.ts';
import { blobSource } from './blob.ts';
import { HttpFile, type HttpOptions, NoLengthError } from './httpFile.ts';
import { nameOf } from './request.ts';
import { UnreachableError } from './retrying.ts';
import { fetchWhole } from './wholeBody.ts';

export interface HttpSourceOptions extends HttpOptions {
  readonly onProgress?: OnProgress;
}

/**
 * Opens a file at a URL. Sequential reads share one request. If the server does not report the length, the whole file is
 * downloaded first. @throws {SourceError} if the server refuses, sends an HTML page instead of the file, changes the file
 * while it is read, or the connection keeps breaking
 */
export async function httpSource(url: string | URL, options: HttpSourceOptions = {}): Promise<ByteSource> {
  const address = new URL(url);
  try {
    return streamedSource(await HttpFile.open(address, options));
  } catch (error) {
    if (!isOnlyWhole(error)) throw error;
    return fetchWhole(address, options).then(
      ({ blob }) => blobSource(blob, nameOf(address)),
      (again) => {
        throw error instanceof UnreachableError && again instanceof UnreachableError ? error : again;
      },
    );
  }
}

/** True for failures that a request without Range may avoid. */
export function isOnlyWhole(error: unknown): boolean {
  if (error instanceof NoLengthError) return true;
  // browsers give no reason; a compressed answer to a Range request is one of the possible reasons. Node has a cause
  return error instanceof UnreachableError && (error.cause as Error | undefined)?.cause === undefined;
}

/** Number of bytes at the start of a file to keep in memory, for reads that go back. */
const HEAD_BYTES = 1 << 20;

/** Reads a file through one stream. Calls run in order. */
export function streamedSource(file: HttpFile): ByteSource {
  /** Received bytes that were not read yet, and their file offset. */
  let rest = new Uint8Array(0);
  let restAt = 0;
  /** The file's first bytes. Header parsers read past the header, so these bytes are read twice. */
  const head = new Uint8Array(Math.min(HEAD_BYTES, file.size));
  let headLength = 0;

  async function readNow(offset: number, length: number, into: Uint8Array, signal?: AbortSignal): Promise<void> {
    for (let done = 0; done < length; ) {
      const at = offset + done;
      if (at < headLength) {
        const part = head.subarray(at, Math.min(headLength, at + length - done));
        into.set(part, done);
        done += part.length;
        continue;
      }
      if (at < restAt || at >= restAt + rest.length) {
        rest = (await file.next(at, signal)) as Uint8Array<ArrayBuffer>;
        restAt = at;
        if (at === headLength) {
          const part = rest.subarray(0, head.length - headLength);
          head.set(part, headLength);
          headLength += part.length;
        }
      }
      const part = rest.subarray(at - restAt, at - restAt + length - done);
      into.set(part, done);
      done += part.length;
    }
  }

  let last: Promise<void> = Promise.resolve();
  const source: ByteSource = {
    name: file.name,
    size: file.size,
    async read(offset, length, into, signal) {
      checkRange(source, offset, length, into);
      signal?.throwIfAborted();
      const read = last.then(() => readNow(offset, length, into, signal));
      last = read.catch(() => {});
      await read;
    },
    async close() {
      headLength = 0;
      rest = new Uint8Array(0);
      file.close();
    },
  };
  return source;
}
