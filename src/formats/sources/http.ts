/** Files on HTTP servers, and the folders that URLs form. */
import { SourceError } from '../../core/errors.ts';
import { type ByteSource, checkRange } from '../byteSource.ts';
import type { Folder } from '../folder.ts';
import { HttpFile, type HttpOptions } from './httpFile.ts';

/**
 * Opens a file at a URL; reads that go forward share one request. @throws {SourceError} for a refusal, an HTML page
 * instead of the file, a file that changes meanwhile, and connections that keep breaking
 */
export async function httpSource(url: string | URL, options: HttpOptions = {}): Promise<ByteSource> {
  const file = await HttpFile.open(url, options);
  /** What came but was not asked for yet, and where in the file it begins. */
  let rest = new Uint8Array(0);
  let restAt = 0;

  async function readNow(offset: number, length: number, into: Uint8Array, signal?: AbortSignal): Promise<void> {
    for (let done = 0; done < length; ) {
      const at = offset + done;
      if (at < restAt || at >= restAt + rest.length) {
        rest = (await file.next(at, signal)) as Uint8Array<ArrayBuffer>;
        restAt = at;
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
      // one after another, in the order they were asked for: they share the one stream
      const read = last.then(() => readNow(offset, length, into, signal));
      last = read.catch(() => {});
      await read;
    },
    async close() {
      file.close();
    },
  };
  return source;
}

/** What a URL names: a folder and, where it ends like a model file, the file in it. Its query goes with every file. */
export function locateUrl(url: string | URL, options: HttpOptions = {}): { folder: Folder; file?: string } {
  const base = new URL(url);
  const file = /\/([^/]+\.(?:gguf|safetensors))$/i.exec(base.pathname)?.[1];
  if (file) base.pathname = base.pathname.slice(0, -file.length);
  else if (!base.pathname.endsWith('/')) base.pathname += '/';
  const folder: Folder = {
    name: base.origin + base.pathname,
    open(name, signal) {
      const target = new URL(base);
      target.pathname += encodeURIComponent(name);
      return httpSource(target, { ...options, signal }).catch(undefinedWhenMissing);
    },
  };
  return { folder, file: file && decodeURIComponent(file) };
}

function undefinedWhenMissing(error: unknown): undefined {
  if (error instanceof SourceError && error.data.status === 404) return undefined;
  throw error;
}
