/** Resolves a URL to its folder and file name. */
import { SourceError } from '../../core/errors.ts';
import type { ByteSource } from '../byteSource.ts';
import { cachedUrl, type UrlOptions } from '../download/urlCache.ts';
import type { Folder } from '../folder.ts';
import { blobSource } from './blob.ts';
import { nameOf } from './request.ts';
import { UnreachableError } from './retrying.ts';
import { fetchWhole } from './wholeBody.ts';

export interface UrlLocation {
  readonly folder: Folder;
  /** Last segment of the URL's path; absent if the path ends in a slash. */
  readonly file?: string;
  /** The URL itself as a folder. */
  readonly asFolder: Folder;
}

export interface UrlFolderOptions extends UrlOptions {
  /** Returns true to store a file. Default: every file, if `keep` allows. */
  readonly keeps?: (file: string) => boolean;
}

/** Locates a URL. Files of its folder get the same query, which may contain a signature. */
export function locateUrl(url: string | URL, options: UrlFolderOptions = {}): UrlLocation {
  const address = new URL(url);
  const file = /([^/]*)$/.exec(address.pathname)?.[1] || undefined;
  const parent = new URL(address);
  if (file) parent.pathname = address.pathname.slice(0, -file.length);
  const whole = new URL(address);
  if (file) whole.pathname = `${address.pathname}/`;
  return { folder: urlFolder(parent, options), file: file && decoded(file), asFolder: urlFolder(whole, options) };
}

/** Opens the file of a URL of any scheme. @throws {SourceError} */
export async function openUrl(url: URL, options: UrlFolderOptions = {}): Promise<ByteSource> {
  if (isHttp(url)) return cachedUrl(url, options);
  const { blob } = await fetchWhole(url, { ...options, retry: { ...options.retry, tries: 1 } });
  return blobSource(blob, nameOf(url));
}

/** True for URLs without a folder (blob:, data:). */
export function isOpaque(url: URL): boolean {
  return url.protocol === 'blob:' || url.protocol === 'data:';
}

function urlFolder(base: URL, options: UrlFolderOptions): Folder {
  const { keeps = () => true, keep = true } = options;
  return {
    name: nameOf(base),
    open(name, signal) {
      const target = new URL(base);
      target.pathname += name.split('/').map(encodeURIComponent).join('/');
      return openUrl(target, { ...options, keep: keep && keeps(name), signal }).catch((error) =>
        undefinedWhenMissing(error, base),
      );
    },
  };
}

function undefinedWhenMissing(error: unknown, base: URL): undefined {
  if (error instanceof SourceError && [404, 410].includes(error.data.status as number)) return undefined;
  // response of browser extensions for missing files
  if (error instanceof UnreachableError && !isHttp(base)) return undefined;
  throw error;
}

function isHttp({ protocol }: URL): boolean {
  return protocol === 'http:' || protocol === 'https:';
}

function decoded(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}
