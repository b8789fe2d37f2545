/**
 * Stores files of any URL under a hash of the URL:
 *
 *     files/HASH/about     which URL, and how its server names the version (ETag, Last-Modified, size)
 *     files/HASH/VERSION   the bytes
 */
import { sha256 } from '#leaf/formats/download/sha256';
import { cacheStore } from '#leaf/formats/download/store';
import type { ByteSource } from '../byteSource.ts';
import { blobSource } from '../sources/blob.ts';
import { httpSource, isOnlyWhole } from '../sources/http.ts';
import { HttpFile, sameVersion, type Validators, validatorsOf } from '../sources/httpFile.ts';
import { nameOf } from '../sources/request.ts';
import { isOffline, TransientError } from '../sources/retrying.ts';
import { fetchWhole } from '../sources/wholeBody.ts';
import { type CacheStore, readSmallFile, releasingOnError, writeSmallFile } from './cacheStore.ts';
import { type DownloadOptions, reportNotKept } from './download.ts';
import { type CacheSlot, openThrough, reportKept } from './keep.ts';
import { notKept } from './notKept.ts';
import { describeRemote, type RemoteFile } from './remoteFile.ts';
import { withTimeout } from './withTimeout.ts';

export interface UrlRecord extends Validators {
  readonly url: string;
  /** Name of the file for users, if it is not the URL: 'hf:owner/repo@main/x.gguf'. */
  readonly source?: string;
  readonly version: string;
}

export interface UrlOptions extends DownloadOptions {
  /** The cache's folder. */
  readonly folder?: string;
  /** False to use stored files but store nothing. Default true. */
  readonly keep?: boolean;
  /** True if the bytes of the URL never change, so that a stored copy is used without asking the server. */
  readonly immutable?: boolean;
  /** Metadata from the server, if already requested. */
  readonly remote?: RemoteFile;
  /** See `UrlRecord`. */
  readonly source?: string;
}

const FOLDER = 'files';
const ABOUT = 'about';
/** Timeout for a server if there is a stored copy, in milliseconds. */
const REVALIDATION_TIMEOUT = 10_000;
/** Size of the first request in bytes, if only a header is read. */
const HEADER_WINDOW = 1 << 20;

/**
 * Opens the file of a URL. Uses the stored copy if it is current or the server cannot be reached. Otherwise downloads the
 * file and stores it while it is read. @throws {SourceError}
 */
export async function cachedUrl(url: URL, options: UrlOptions = {}): Promise<ByteSource> {
  const store = cacheStore(options.folder);
  const record = await readRecord(store, url);
  const kept = record && (await store.open(pathOf(url, record.version)));
  if (kept && (options.immutable || (await isCurrent(kept, record, url, options)))) {
    reportKept(kept, url, options);
    return kept;
  }
  if (options.keep === false) return httpSource(url, { ...options, window: HEADER_WINDOW });
  // to resume an earlier download, first ask which version the server has
  const remote =
    options.remote ?? (record && (await describeRemote(url, options).catch(() => options.signal?.throwIfAborted())));
  return download(store, url, { ...options, remote: remote || undefined });
}

/** Asks the server if a stored copy is current, and closes it if not. @throws {SourceError} if the server has removed it */
async function isCurrent(kept: ByteSource, record: UrlRecord, url: URL, options: UrlOptions): Promise<boolean> {
  try {
    const remote = options.remote ?? (await describeSoon(url, options));
    if (isSame(record, remote)) return true;
  } catch (error) {
    options.signal?.throwIfAborted();
    if (isAway(error)) {
      reportOffline(url, error as Error, options);
      return true;
    }
    await kept.close();
    throw error;
  }
  await kept.close();
  return false;
}

function describeSoon(url: URL, options: UrlOptions): Promise<RemoteFile> {
  const retry = { ...options.retry, tries: 1 };
  return withTimeout(REVALIDATION_TIMEOUT, nameOf(url), options.signal, (signal) =>
    describeRemote(url, { ...options, retry, signal }),
  );
}

/** True if the server did not respond, so that the file may still exist. */
export function isAway(error: unknown): boolean {
  return error instanceof TransientError || isOffline();
}

export function reportOffline(url: URL, { message }: Error, { onNotice }: DownloadOptions): void {
  onNotice?.({ code: 'OFFLINE', message: `${message}; the stored copy is used`, data: { url: nameOf(url) } });
}

/** Downloads the file, or the rest of it. */
async function download(store: CacheStore, url: URL, options: UrlOptions): Promise<ByteSource> {
  const { remote } = options;
  if (remote?.size !== undefined) {
    const known = { ...remote, size: remote.size };
    return openThrough(slotOf(store, url, known, options), url, known, options);
  }
  let file: HttpFile;
  try {
    file = await HttpFile.open(url, { ...options, noStore: true });
  } catch (error) {
    if (!isOnlyWhole(error)) throw error;
    return downloadWhole(store, url, options, error as Error);
  }
  const { validators, size } = file;
  return openThrough(slotOf(store, url, validators, options), url, { size, file }, options);
}

/** Downloads a file of unknown length. */
async function downloadWhole(store: CacheStore, url: URL, options: UrlOptions, reason: Error): Promise<ByteSource> {
  const { blob, headers } = await fetchWhole(url, options).catch((error) => {
    throw isAway(error) && isAway(reason) ? reason : error;
  });
  const slot = slotOf(store, url, validatorsOf(headers, blob.size), options);
  const source = blobSource(blob, nameOf(url));
  try {
    const partial = await slot.claim({ signal: options.signal });
    if (!partial) return source;
    try {
      await partial.clear();
      const part = new Uint8Array(Math.min(blob.size, 1 << 22));
      for (let at = 0; at < blob.size; at += part.length) {
        const bytes = part.subarray(0, Math.min(part.length, blob.size - at));
        await source.read(at, bytes.length, bytes, options.signal);
        await partial.append(bytes);
      }
      await partial.complete();
      await slot.onComplete?.();
      await partial.release();
    } catch (error) {
      await partial.discard();
      throw error;
    }
  } catch (error) {
    options.signal?.throwIfAborted();
    reportNotKept(await notKept(nameOf(url), error, blob.size, store.available), options);
  }
  return source;
}

function slotOf(store: CacheStore, url: URL, { size, etag, modified }: Validators, { source }: UrlOptions): CacheSlot {
  const version = versionOf({ size, etag, modified });
  const path = pathOf(url, version);
  const record: UrlRecord = { url: url.href, source, size, etag, modified, version };
  return {
    open: () => store.open(path),
    available: () => store.available(),
    async claim(options) {
      const claimed = await store.claim(path, version, options);
      // keep an older complete version until this one is complete
      return releasingOnError(claimed, async () => {
        if (claimed && !(await readRecord(store, url))) await writeRecord(store, url, record);
      });
    },
    async onComplete() {
      const old = (await store.names(path.slice(0, -1))).filter((name) => name !== version && name !== ABOUT);
      await writeRecord(store, url, record);
      for (const name of old) if (!name.startsWith(`${version}.`)) await store.remove([...path.slice(0, -1), name]);
    },
  };
}

/** All records, complete or not. */
export async function listUrls(
  store: CacheStore,
): Promise<readonly (UrlRecord & { readonly complete: boolean; readonly stored: number })[]> {
  const found: (UrlRecord & { complete: boolean; stored: number })[] = [];
  for (const key of await store.names([FOLDER])) {
    const record = parseRecord(await readSmallFile(store, [FOLDER, key, ABOUT]).catch(() => undefined));
    if (!record) continue;
    const bytes = await store.open([FOLDER, key, record.version]);
    await bytes?.close();
    found.push({ ...record, complete: bytes !== undefined, stored: await store.bytes([FOLDER, key]) });
  }
  return found;
}

/** @returns bytes freed */
export function removeUrl(store: CacheStore, url: string): Promise<number> {
  return store.remove([FOLDER, keyOf(url)]);
}

function isSame(record: UrlRecord, { size, etag, modified }: RemoteFile): boolean {
  const isVersioned = (etag ?? modified) !== undefined;
  return isVersioned && size !== undefined && sameVersion(record, { size, etag, modified });
}

function readRecord(store: CacheStore, url: URL): Promise<UrlRecord | undefined> {
  return readSmallFile(store, [FOLDER, keyOf(url.href), ABOUT]).then(
    (text) => {
      const record = parseRecord(text);
      return record?.url === url.href ? record : undefined;
    },
    () => undefined,
  );
}

function writeRecord(store: CacheStore, url: URL, record: UrlRecord): Promise<void> {
  return writeSmallFile(store, [FOLDER, keyOf(url.href), ABOUT], JSON.stringify(record));
}

function parseRecord(text: string | undefined): UrlRecord | undefined {
  try {
    const record = JSON.parse(text ?? '') as UrlRecord;
    return typeof record?.url === 'string' && /^\w+$/.test(record.version) ? record : undefined;
  } catch {
    return undefined;
  }
}

function pathOf(url: URL, version: string): readonly string[] {
  return [FOLDER, keyOf(url.href), version];
}

function keyOf(url: string): string {
  return hashOf(url).slice(0, 32);
}

/** Name of a version. Random without ETag and Last-Modified, so that it is never mistaken for another one. */
function versionOf({ size, etag, modified }: Validators): string {
  return hashOf(`${etag ?? modified ?? Math.random()} ${size}`).slice(0, 16);
}

function hashOf(text: string): string {
  const hash = sha256();
  hash.update(new TextEncoder().encode(text));
  return hash.hex();
}
