/** A page has no paths: they are URLs relative to it, and nothing can be written to them. */
import { UnsupportedError } from '../../core/errors.ts';
import type { ByteSink } from '../byteSink.ts';
import type { ByteSource } from '../byteSource.ts';
import type { Folder } from '../folder.ts';
import { httpSource, locateUrl } from './http.ts';

export async function locatePath(path: string): Promise<{ folder: Folder; file?: string }> {
  return locateUrl(absolute(path));
}

export function directory(path: string): Folder {
  return locateUrl(absolute(`${path}/`)).folder;
}

export function fileSource(path: string): Promise<ByteSource> {
  return httpSource(absolute(path));
}

export async function fileSink(path: string): Promise<ByteSink & { close(): Promise<void> }> {
  throw new UnsupportedError('writing to the path', path, ['a sink of your own']);
}

function absolute(path: string): string {
  return new URL(path, globalThis.location.href).href;
}
