/** The folder of a federation's client: its identity, its state of the current round, and its optimizer. */
import { chmod, mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SourceError } from '../../core/errors.ts';
import { replaceFile } from '../../formats/sources/replaceFile.node.ts';
import { openLocked } from '../folderLock.ts';
import type { ClientFolder } from './clientState.ts';
import { identity } from './identity.ts';

/**
 * Two processes with one state could mask two updates with the same masks: their difference would be in the clear.
 * @param folder is created if needed; only its owner can read it, and one process at a time may use it
 * @throws {FederatedError} FOLDER_IN_USE if another one does
 */
export async function clientFolder(folder: string): Promise<ClientFolder> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await chmod(folder, 0o700);
  return openLocked(folder, (release) => openFolder(folder, release));
}

async function openFolder(folder: string, close: () => Promise<void>): Promise<ClientFolder> {
  const keyPath = join(folder, 'identity.key');
  const found = (await readIfThere(keyPath))?.toString('utf8');
  if (found && !/^[0-9a-f]{64}\n?$/.test(found))
    throw new SourceError(keyPath, 'is not a key of 64 hexadecimal digits: remove it to get a new identity');
  const own = found ? identity(Uint8Array.from(Buffer.from(found.trim(), 'hex'))) : identity();
  if (!found) await writePrivate(keyPath, `${Buffer.from(own.secretKey).toString('hex')}\n`);
  const statePath = join(folder, 'round.json');
  const optimizerPath = join(folder, 'optimizer.bin');
  return {
    identity: own,
    store: {
      load: async () => (await readIfThere(statePath))?.toString('utf8'),
      save: (state) => writePrivate(statePath, state),
    },
    optimizerStore: {
      load: () => readIfThere(optimizerPath),
      save: (bytes) => writePrivate(optimizerPath, bytes),
    },
    close,
  };
}

async function readIfThere(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new SourceError(path, (error as Error).message, {}, { cause: error });
  }
}

/** Replaces a file that only its owner can read. */
function writePrivate(path: string, content: string | Uint8Array): Promise<void> {
  const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content;
  return replaceFile(path, `${path}.new`, (sink) => sink.write(bytes), 0o600);
}
