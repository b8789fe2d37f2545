/** Paths in a page: URLs relative to it, which are read-only. */
import { baseUrl } from '../../core/baseUrl.ts';
import { UnsupportedError } from '../../core/errors.ts';
import type { ByteSink } from '../byteSink.ts';
import type { ByteSource } from '../byteSource.ts';
import type { Folder } from '../folder.ts';
import { locateUrl, openUrl } from './url.ts';

/** Resolves a path as a URL relative to the page. @throws {UnsupportedError} for file: URLs */
export async function locatePath(path: string): Promise<URL | { readonly folder: Folder; readonly file?: string }> {
  return absolute(path);
}

export function directory(path: string): Folder {
  return locateUrl(absolute(`${path}/`)).folder;
}

export function fileSource(path: string): Promise<ByteSource> {
  return openUrl(absolute(path));
}

export async function fileSink(path: string): Promise<ByteSink & { close(): Promise<void> }> {
  throw new UnsupportedError('writing to the path', path, ['a sink of your own']);
}

function absolute(path: string): URL {
  const url = new URL(path, baseUrl());
  if (url.protocol !== 'file:') return url;
  throw new UnsupportedError('reading the file', url.href, [
    'a File from <input type="file">',
    'pages of a web server',
  ]);
}
