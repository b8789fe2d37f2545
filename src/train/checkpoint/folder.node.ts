/** Checkpoint folder on disk. A file is written under a temporary name, synced and renamed; then the directory is synced. */
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { SourceError } from '../../core/errors.ts';
import { fileSource } from '../../formats/sources/path.node.ts';
import type { CheckpointFolder } from './checkpointFolder.ts';

/** Suffix of temporary files. A file left by a crash is overwritten or removed. */
const PARTIAL = '.partial';

/** @throws {SourceError} from all methods, with the system's message */
export function checkpointFolder(path: string): CheckpointFolder {
  return {
    name: path,
    async list() {
      const names = await readdir(path).catch((cause: NodeJS.ErrnoException) => {
        if (cause.code === 'ENOENT') return [];
        throw systemError(path, cause);
      });
      return names.filter((name) => !name.endsWith(PARTIAL));
    },
    open: (file) => fileSource(join(path, file)),
    async replace(file, work) {
      const target = join(path, file);
      const partial = `${target}${PARTIAL}`;
      try {
        await mkdir(path, { recursive: true });
        await writeThrough(partial, work);
        await rename(partial, target);
        await syncFolder(path);
      } catch (cause) {
        await rm(partial, { force: true }).catch(() => {});
        throw isSystemError(cause) ? systemError(target, cause) : cause;
      }
    },
    async remove(file) {
      await rm(join(path, file), { force: true });
    },
  };
}

async function writeThrough(
  path: string,
  work: (sink: { write(bytes: Uint8Array): Promise<void> }) => Promise<void>,
): Promise<void> {
  const handle = await open(path, 'w');
  try {
    await work({
      async write(bytes) {
        for (let done = 0; done < bytes.length; ) done += (await handle.write(bytes, done)).bytesWritten;
      },
    });
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Makes a rename durable. Windows cannot open directories and does not need it. */
async function syncFolder(path: string): Promise<void> {
  const handle = await open(path).catch(() => undefined);
  await handle?.sync().catch(() => {});
  await handle?.close();
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error;
}

function systemError(path: string, cause: NodeJS.ErrnoException): SourceError {
  const problem = cause.code === 'ENOSPC' ? 'the disk is full; free some space and resume' : cause.message;
  return new SourceError(path, problem, { reason: cause.code }, { cause });
}
