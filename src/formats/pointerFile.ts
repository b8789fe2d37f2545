/** Git LFS pointers: small text files that replace large files in a clone without `git lfs`. */
import { FormatError, grouped } from '../core/errors.ts';
import type { ByteSource } from './byteSource.ts';
import type { Folder } from './folder.ts';

const START = 'version https://git-lfs.github.com/spec/v';
/** Maximum size of a pointer, in bytes. */
const MAX_BYTES = 1024;

/** @throws {FormatError} if the file is a pointer */
export async function refusePointer(source: ByteSource, signal?: AbortSignal): Promise<void> {
  if (source.size > MAX_BYTES || source.size < START.length) return;
  const bytes = new Uint8Array(source.size);
  await source.read(0, bytes.length, bytes, signal);
  const text = new TextDecoder().decode(bytes);
  if (!text.startsWith(START)) return;
  const size = Number(/^size (\d+)$/m.exec(text)?.[1]);
  const real = Number.isFinite(size) ? ` for ${grouped(size)} bytes` : '';
  const problem = `is a Git LFS pointer${real}, not the file itself: run "git lfs pull" in its folder, or download the file`;
  throw new FormatError(source.name, problem, { found: 'Git LFS pointer', expected: size });
}

/** Wraps a folder so that opening a pointer throws. */
export function checkedFolder(folder: Folder): Folder {
  return {
    name: folder.name,
    async open(file, signal) {
      const source = await folder.open(file, signal);
      if (!source) return undefined;
      try {
        await refusePointer(source, signal);
        return source;
      } catch (error) {
        await source.close();
        throw error;
      }
    },
  };
}
