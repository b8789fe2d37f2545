/** Local files and directories. */
import { type FileHandle, open, readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FormatError, grouped, SourceError } from '../../core/errors.ts';
import type { ByteSink } from '../byteSink.ts';
import { type ByteSource, checkRange } from '../byteSource.ts';
import type { NamedFolder } from './files.ts';

/** Bytes per system call: small, so that an abort takes effect soon, and far below the 2 GiB limit of a call. */
const READ_BYTES = 64 * 1024 * 1024;

/** Resolves a path or file: URL to a folder and, unless it is a directory, a file name. @throws {SourceError} */
export async function locatePath(
  path: string,
): Promise<URL | { readonly folder: NamedFolder; readonly file?: string }> {
  const local = localPath(path);
  const status = await stat(local).catch((cause) => {
    throw systemError(local, cause);
  });
  if (status.isDirectory()) return { folder: directory(local) };
  return { folder: directory(dirname(local)), file: basename(local) };
}

/** The directory at a path. */
export function directory(path: string): NamedFolder {
  return {
    name: path,
    names: () => readdir(path),
    open: (file) => fileSource(join(path, file)).catch(undefinedWhenMissing),
  };
}

function localPath(path: string): string {
  if (!path.startsWith('file:')) return path;
  try {
    return fileURLToPath(path);
  } catch (cause) {
    throw new SourceError(path, `is not the URL of a file: ${(cause as Error).message}`, {}, { cause });
  }
}

/** Opens a file; its bytes are read straight into the given views. @throws {SourceError} */
export async function fileSource(path: string): Promise<ByteSource> {
  const handle = await open(path).catch((cause) => {
    throw systemError(path, cause);
  });
  const status = await handle.stat();
  if (!status.isFile()) {
    await handle.close();
    throw new SourceError(path, 'is not a file');
  }
  const source: ByteSource = {
    name: path,
    size: status.size,
    isLocal: true,
    async read(offset, length, into, signal) {
      checkRange(source, offset, length, into);
      for (let done = 0; done < length; ) {
        signal?.throwIfAborted();
        const part = Math.min(READ_BYTES, length - done);
        const count = await readAt(handle, path, into, done, part, offset + done);
        if (count === 0) {
          const problem = `ended at byte ${grouped(offset + done)} though it had ${grouped(status.size)}: it was cut while it was read`;
          throw new FormatError(path, problem, { offset: offset + done, expected: status.size, found: offset + done });
        }
        done += count;
      }
    },
    close: () => handle.close(),
  };
  return source;
}

/** Creates or overwrites a file. `close` flushes it to the disk. @throws {SourceError} */
export async function fileSink(path: string): Promise<ByteSink & { close(): Promise<void> }> {
  const handle = await open(path, 'w').catch((cause) => {
    throw systemError(path, cause);
  });
  return {
    async write(bytes) {
      for (let done = 0; done < bytes.length; ) {
        done += (await handle.write(bytes, done)).bytesWritten;
      }
    },
    async close() {
      await handle.sync();
      await handle.close();
    },
  };
}

async function readAt(handle: FileHandle, path: string, into: Uint8Array, at: number, length: number, offset: number) {
  const { bytesRead } = await handle.read(into, at, length, offset).catch((cause) => {
    throw systemError(path, cause);
  });
  return bytesRead;
}

function systemError(path: string, cause: NodeJS.ErrnoException): SourceError {
  const problem = cause.code === 'ENOENT' ? 'no such file' : cause.message;
  return new SourceError(path, problem, { reason: cause.code }, { cause });
}

function undefinedWhenMissing(error: unknown): undefined {
  if (error instanceof SourceError && error.data.reason === 'ENOENT') return undefined;
  throw error;
}
