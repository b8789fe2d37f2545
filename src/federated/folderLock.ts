/** The lock of a folder of a federation: one process, or one tab or worker of a browser, may use it at a time. */
import { tryLock } from '#leaf/formats/packages/lockFile';
import { FederatedError } from './federatedError.ts';

/**
 * Opens what is in a folder while this process, tab or worker has its lock.
 * @param open is given what releases the lock; if it fails, the lock is released
 * @throws {FederatedError} FOLDER_IN_USE if another one holds it
 */
export async function openLocked<T>(folder: string, open: (release: () => Promise<void>) => Promise<T>): Promise<T> {
  const release = await lockFolder(folder);
  try {
    return await open(release);
  } catch (error) {
    await release();
    throw error;
  }
}

async function lockFolder(folder: string): Promise<() => Promise<void>> {
  const release = await tryLock(`${folder}/lock`);
  if (release) return release;
  throw new FederatedError(
    'FOLDER_IN_USE',
    `${folder}: another process uses this folder (in a browser, another tab or worker): end it, or use another folder. If that process ` +
      'was killed on another machine or in another container, wait for 5 minutes: then its lock is free',
    { folder },
  );
}
