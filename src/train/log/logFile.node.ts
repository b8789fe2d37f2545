/** Append-only text file on disk. */
import { mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { SourceError } from '../../core/errors.ts';
import type { GrowingFile } from './growingFile.ts';

/** Opens a file, creating it and its folder if necessary. @throws {SourceError} from all methods */
export async function openLogFile(path: string): Promise<GrowingFile> {
  const typed = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work;
    } catch (error) {
      const cause = error as NodeJS.ErrnoException;
      const problem = cause.code === 'ENOSPC' ? 'the disk is full; free some space and resume' : cause.message;
      throw new SourceError(path, problem, { reason: cause.code }, { cause });
    }
  };
  await typed(mkdir(dirname(path), { recursive: true }));
  const handle = await typed(open(path, 'a+'));
  const text = async () => {
    const bytes = Buffer.alloc((await handle.stat()).size);
    await handle.read(bytes, 0, bytes.length, 0);
    return bytes.toString();
  };
  return {
    text: () => typed(text()),
    truncateTo: (prefix) => typed(handle.truncate(Buffer.byteLength(prefix))),
    append: (more) => typed(handle.appendFile(more)),
    flush: () => typed(handle.sync()),
    close: () => typed(handle.close()),
  };
}
