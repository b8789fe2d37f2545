/** Reads sources without random access: responses without a length, streams, blob: and data: URLs. */
import { SourceError } from '../../core/errors.ts';
import type { OnProgress } from '../../core/progress.ts';
import { type HttpOptions, isAuthorized, refuseHtml, waitNotice } from './httpFile.ts';
import { refusal } from './refusal.ts';
import { nameOf, request } from './request.ts';
import { reasonOf, retrying, TransientError } from './retrying.ts';

export interface WholeBody {
  readonly blob: Blob;
  readonly headers: Headers;
}

export interface WholeBodyOptions extends HttpOptions {
  readonly onProgress?: OnProgress;
}

/** Downloads a URL of any scheme that `fetch` supports. @throws {SourceError} */
export async function fetchWhole(url: URL, options: WholeBodyOptions = {}): Promise<WholeBody> {
  const { headers, signal, retry, onNotice, onProgress } = options;
  const name = nameOf(url);
  const attempt = async (): Promise<WholeBody> => {
    const response = await request(url, { headers, signal, cache: options.noStore ? 'no-store' : 'default' });
    if (!response.ok) {
      response.body?.cancel().catch(() => {});
      throw refusal(name, response, { authorized: isAuthorized(headers) });
    }
    refuseHtml(name, response);
    return { blob: await readStream(response.body, name, { signal, onProgress }), headers: response.headers };
  };
  return retrying(attempt, { ...retry, signal, onWait: waitNotice(name, onNotice) });
}

/** Collects a stream in a Blob, because browsers move large Blobs to the disk. @throws {SourceError} */
export async function readStream(
  stream: ReadableStream<Uint8Array> | null,
  name: string,
  { signal, onProgress }: { signal?: AbortSignal; onProgress?: OnProgress } = {},
): Promise<Blob> {
  const parts: Blob[] = [];
  if (!stream) return new Blob(parts);
  const reader = stream.getReader();
  const abort = () => void reader.cancel(signal!.reason).catch(() => {});
  signal?.addEventListener('abort', abort);
  let done = 0;
  let pending: Uint8Array<ArrayBuffer>[] = [];
  let pendingBytes = 0;
  try {
    for (;;) {
      signal?.throwIfAborted();
      const { value } = await reader.read();
      signal?.throwIfAborted();
      if (!value) break;
      if (!(value instanceof Uint8Array)) throw new SourceError(name, 'its stream holds something other than bytes');
      pending.push(value as Uint8Array<ArrayBuffer>);
      pendingBytes += value.length;
      done += value.length;
      if (pendingBytes > PART_BYTES) flush();
      onProgress?.({ stage: 'download', done, total: done, unit: 'bytes', item: name });
    }
  } catch (cause) {
    signal?.throwIfAborted();
    if (cause instanceof SourceError) throw cause;
    const problem = `the connection broke at byte ${done.toLocaleString('en-US')}: ${reasonOf(cause as Error)}`;
    throw new TransientError(name, problem, { offset: done }, { cause });
  } finally {
    signal?.removeEventListener('abort', abort);
    reader.releaseLock();
  }
  flush();
  return new Blob(parts);

  function flush(): void {
    parts.push(new Blob(pending));
    pending = [];
    pendingBytes = 0;
  }
}

const PART_BYTES = 8 * 1024 * 1024;
