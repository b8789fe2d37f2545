/** Checkpoint folder on disk. */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { SourceError } from '../../core/errors.ts';
import { fileSource } from '../../formats/sources/path.node.ts';
import { replaceFile } from '../../formats/sources/replaceFile.node.ts';
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
      await replaceFile(target, `${target}${PARTIAL}`, work).catch((cause) => {
        throw isSystemError(cause) ? systemError(target, cause) : cause;
      });
    },
    async remove(file) {
      await rm(join(path, file), { force: true });
    },
  };
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error;
}

function systemError(path: string, cause: NodeJS.ErrnoException): SourceError {
  const problem = cause.code === 'ENOSPC' ? 'the disk is full; free some space and resume' : cause.message;
  return new SourceError(path, problem, { reason: cause.code }, { cause });
}
