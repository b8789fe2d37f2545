/** The folder of a federation's client: its identity, its state of the current round, and its optimizer. */
import { chmod, mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SourceError } from '../../core/errors.ts';
import { replaceFile } from '../../formats/sources/replaceFile.node.ts';
import { openLocked } from '../folderLock.ts';
import { type ClientFiles, openClientFiles } from './clientFiles.ts';
import type { ClientFolder } from './clientState.ts';

/**
 * Two processes with one state could mask two updates with the same masks: their difference would be in the clear.
 * @param folder is created if needed; only its owner can read it, and one process at a time may use it
 * @throws {FederatedError} FOLDER_IN_USE if another one does
 */
export async function clientFolder(folder: string): Promise<ClientFolder> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await chmod(folder, 0o700);
  return openLocked(folder, (release) => openClientFiles(filesIn(folder), release));
}

const filesIn = (folder: string): ClientFiles => ({
  name: folder,
  async read(file) {
    const path = join(folder, file);
    try {
      return await readFile(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw new SourceError(path, (error as Error).message, {}, { cause: error });
    }
  },
  replace(file, bytes) {
    const path = join(folder, file);
    return replaceFile(path, `${path}.new`, (sink) => sink.write(bytes), 0o600);
  },
});
