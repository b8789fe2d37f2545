/** The folder of a federation's client: its identity, its state of the current round, and its optimizer. */
import { chmod, mkdir, open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { type ClientStore, type Identity, identity, type OptimizerStore } from '../federated/index.ts';
import { SourceError } from '../index.ts';

export interface ClientFolder {
  readonly identity: Identity;
  readonly store: ClientStore;
  readonly optimizerStore: OptimizerStore;
}

/** @param folder is created if needed; only its owner can read it */
export async function clientFolder(folder: string): Promise<ClientFolder> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await chmod(folder, 0o700);
  const keyPath = join(folder, 'identity.key');
  const found = (await readIfThere(keyPath))?.toString('utf8');
  if (found && !/^[0-9a-f]{64}\n?$/.test(found))
    throw new SourceError(keyPath, 'is not a key of 64 hexadecimal digits: remove it to get a new identity');
  const own = found ? identity(Uint8Array.from(Buffer.from(found.trim(), 'hex'))) : identity();
  if (!found) await replaceFile(keyPath, `${Buffer.from(own.secretKey).toString('hex')}\n`);
  const statePath = join(folder, 'round.json');
  const optimizerPath = join(folder, 'optimizer.bin');
  return {
    identity: own,
    store: {
      load: async () => (await readIfThere(statePath))?.toString('utf8'),
      save: (state) => replaceFile(statePath, state),
    },
    optimizerStore: {
      load: () => readIfThere(optimizerPath),
      save: (bytes) => replaceFile(optimizerPath, bytes),
    },
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

/** Writes a file completely or not at all. */
async function replaceFile(path: string, content: string | Uint8Array): Promise<void> {
  const temporary = `${path}.new`;
  const file = await open(temporary, 'w', 0o600);
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
}
