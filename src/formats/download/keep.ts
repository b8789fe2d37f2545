/** Opens a file of a server and stores it in a cache while it is read. */
import { grouped } from '../../core/errors.ts';
import type { ByteSource } from '../byteSource.ts';
import { httpSource, streamedSource } from '../sources/http.ts';
import type { HttpFile } from '../sources/httpFile.ts';
import { nameOf } from '../sources/request.ts';
import type { CacheStore, ClaimOptions, PartialFile } from './cacheStore.ts';
import { type DownloadOptions, downloadingSource, itemOf, reportNotKept } from './download.ts';
import { notKept } from './notKept.ts';

/** Location of a file in a cache. */
export interface CacheSlot extends Pick<CacheStore, 'available'> {
  open(): Promise<ByteSource | undefined>;
  claim(options: ClaimOptions): Promise<PartialFile | undefined>;
  /** Called when the file is complete. */
  readonly onComplete?: () => Promise<void>;
}

export interface KnownFile {
  readonly size: number;
  readonly sha256?: string;
  /** Open response of a first request, if any. Closed here if it is not used. */
  readonly file?: HttpFile;
}

/**
 * If another process downloads the same file, waits and uses its copy. If the file cannot be stored, it is read from the
 * server on demand, and a notice reports it.
 */
export async function openThrough(
  slot: CacheSlot,
  url: URL,
  { size, sha256, file }: KnownFile,
  options: DownloadOptions,
): Promise<ByteSource> {
  const { signal } = options;
  const name = nameOf(url);
  let partial: PartialFile | undefined;
  try {
    partial = await slot.claim({ signal, onWait: waiting(url, size, options) });
  } catch (error) {
    if (signal?.aborted) file?.close();
    signal?.throwIfAborted();
    reportNotKept(await notKept(name, error, size, slot.available), options);
    return file ? streamedSource(file) : httpSource(url, options);
  }
  if (partial) {
    const { available, onComplete } = slot;
    return downloadingSource({ url, size, sha256, partial, file, available, onComplete }, options);
  }
  file?.close();
  const kept = await slot.open();
  if (!kept) return httpSource(url, options);
  reportKept(kept, url, options);
  return kept;
}

/** Reports a file that is already complete as a finished download. */
export function reportKept({ size }: ByteSource, url: URL, { onProgress }: DownloadOptions): void {
  onProgress?.({ stage: 'download', done: size, total: size, unit: 'bytes', item: itemOf(url) });
}

/** Reports the progress of the other download. */
function waiting(url: URL, total: number, { onProgress, onNotice }: DownloadOptions): (bytes: number) => void {
  let notified = false;
  return (bytes) => {
    const message = `${nameOf(url)}: waiting for another download of the same file, at byte ${grouped(bytes)}`;
    if (!notified) onNotice?.({ code: 'WAITING', message, data: { bytes, total } });
    notified = true;
    onProgress?.({ stage: 'download', done: Math.min(bytes, total), total, unit: 'bytes', item: itemOf(url) });
  };
}
