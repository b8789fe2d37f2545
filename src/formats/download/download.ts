/** Files of a server kept in a cache: begun downloads go on where they stopped, finished ones are checked. */
import { sha256 } from '#leaf/formats/download/sha256';
import { grouped, SourceError } from '../../core/errors.ts';
import type { OnProgress } from '../../core/progress.ts';
import type { ByteSource } from '../byteSource.ts';
import { HttpFile, type HttpOptions } from '../sources/httpFile.ts';
import type { CacheStore, PartialFile } from './cacheStore.ts';
import { describeRemote, type RemoteFile } from './remoteFile.ts';

export interface DownloadOptions extends HttpOptions {
  readonly onProgress?: OnProgress;
}

const HASH_PART_BYTES = 1024 * 1024;

/** What was downloaded is not what the server described. */
class SpoiledError extends SourceError {}

/**
 * Opens a file of the cache, downloading it before where it is not there. A file that is there is used as it is,
 * without asking the server.
 * @throws {SourceError} from the server (its `data.status`), or when the bytes are not those it described
 */
export async function cachedFile(
  store: CacheStore,
  path: readonly string[],
  url: URL,
  options: DownloadOptions = {},
): Promise<ByteSource> {
  const item = path.at(-1)!;
  const there = await store.open(path);
  if (there) {
    options.onProgress?.({ stage: 'download', done: there.size, total: there.size, unit: 'bytes', item });
    return there;
  }
  const remote = await describeRemote(url, options);
  await store.fill(path, remote.version, async (partial) => {
    const resumed = partial.size > 0;
    try {
      await complete(partial, remote, url, item, options);
    } catch (error) {
      const misfit = error instanceof SourceError && error.data.status === 416;
      if (!(error instanceof SpoiledError) && !misfit) throw error;
      await partial.clear();
      // what an earlier run left may be at fault, so once more from the start
      if (!resumed) throw error;
      await complete(partial, remote, url, item, options).catch(async (again) => {
        if (again instanceof SpoiledError) await partial.clear();
        throw again;
      });
    }
  });
  const downloaded = await store.open(path);
  if (!downloaded) throw new SourceError(path.join('/'), 'is gone from the cache just after it was downloaded');
  return downloaded;
}

/** Appends what a partial file lacks and checks the whole. */
async function complete(
  partial: PartialFile,
  remote: RemoteFile,
  url: URL,
  item: string,
  options: DownloadOptions,
): Promise<void> {
  const name = url.origin + url.pathname;
  const hash = remote.sha256 === undefined ? undefined : sha256();
  const report = () =>
    options.onProgress?.({ stage: 'download', done: partial.size, total: remote.size, unit: 'bytes', item });
  if (partial.size > remote.size) throw new SpoiledError(name, 'the cache holds more bytes than the file has');
  if (hash) await hashPartial(partial, hash, options.signal);
  report();
  if (partial.size < remote.size) {
    const file = await HttpFile.open(url, options, partial.size);
    try {
      if (file.size !== remote.size) {
        const problem = `the server sends ${grouped(file.size)} bytes but described ${grouped(remote.size)}`;
        throw new SpoiledError(name, problem, { expected: remote.size, found: file.size });
      }
      while (partial.size < remote.size) {
        const bytes = await file.next(partial.size, options.signal);
        hash?.update(bytes);
        await partial.append(bytes);
        report();
      }
    } finally {
      file.close();
    }
  }
  const found = hash?.hex();
  if (found !== remote.sha256) {
    const problem = `the bytes that came have the SHA-256 ${found}, the server gives ${remote.sha256}`;
    throw new SpoiledError(name, problem, { expected: remote.sha256, found });
  }
}

async function hashPartial(partial: PartialFile, hash: ReturnType<typeof sha256>, signal?: AbortSignal): Promise<void> {
  const buffer = new Uint8Array(Math.min(partial.size, HASH_PART_BYTES));
  for (let offset = 0; offset < partial.size; offset += buffer.length) {
    signal?.throwIfAborted();
    const part = buffer.subarray(0, Math.min(buffer.length, partial.size - offset));
    await partial.read(offset, part.length, part);
    hash.update(part);
  }
}
