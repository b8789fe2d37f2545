/** The folder of a federation's client: its identity, and its state of the current round. */
import { chmod, mkdir, open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { type ClientStore, type Identity, identity } from '../federated/index.ts';
import { SourceError } from '../index.ts';

export interface ClientFolder {
  readonly identity: Identity;
  readonly store: ClientStore;
}

/** @param folder is created if needed; only its owner can read it */
export async function clientFolder(folder: string): Promise<ClientFolder> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await chmod(folder, 0o700);
  const keyPath = join(folder, 'identity.key');
  const found = await readIfThere(keyPath);
  if (found && !/^[0-9a-f]{64}\n?$/.test(found))
    throw new SourceError(keyPath, 'is not a key of 64 hexadecimal digits: remove it to get a new identity');
  const own = found ? identity(Uint8Array.from(Buffer.from(found.trim(), 'hex'))) : identity();
  if (!found) await replaceFile(keyPath, `${Buffer.from(own.secretKey).toString('hex')}\n`);
  const statePath = join(folder, 'round.json');
  return {
    identity: own,
    store: { load: () => readIfThere(statePath), save: (state) => replaceFile(statePath, state) },
  };
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new SourceError(path, (error as Error).message, {}, { cause: error });
  }
}

/** Writes a file completely or not at all. */
async function replaceFile(path: string, text: string): Promise<void> {
  const temporary = `${path}.new`;
  const file = await open(temporary, 'w', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
}
