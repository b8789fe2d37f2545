/** A folder with the private keys of a publisher: root.pem, targets.pem, snapshot.pem, timestamp.pem, and the public ones in *.pub. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SourceError } from '../../../index.ts';
import { createKeyPair, type PrivateKey, readPrivateKey, type SignOptions } from '../../../package/index.ts';

export const roles = ['root', 'targets', 'snapshot', 'timestamp'] as const;
export type Role = (typeof roles)[number];

/** Writes a new key pair. An existing file is never overwritten. */
export async function writeKeyPair(folder: string, name: string, curve: string): Promise<void> {
  const { privateKey, publicKey } = await createKeyPair(curve);
  await mkdir(folder, { recursive: true });
  await writeNew(join(folder, `${name}.pem`), privateKey, 0o600);
  await writeNew(join(folder, `${name}.pub`), publicKey, 0o644);
}

/** Reads the keys that are in the folder. */
export async function readKeys(folder: string): Promise<SignOptions['keys']> {
  const keys: Partial<Record<Role, PrivateKey>> = {};
  for (const role of roles) {
    const key = await readKey(join(folder, `${role}.pem`));
    if (key) keys[role] = key;
  }
  if (Object.keys(keys).length === 0)
    throw new SourceError(folder, `has no key; create some with: espalier package keys create ${folder}`);
  return keys;
}

/** Returns undefined if the file does not exist. */
export async function readKey(path: string): Promise<PrivateKey | undefined> {
  const pem = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  return pem === undefined ? undefined : readPrivateKey(pem, path);
}

async function writeNew(path: string, text: string, mode: number): Promise<void> {
  await writeFile(path, text, { flag: 'wx', mode }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
    throw new SourceError(path, 'exists already; keys are never overwritten', {}, { cause: error });
  });
}
