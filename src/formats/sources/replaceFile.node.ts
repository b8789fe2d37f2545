/** Replaces files atomically: after a crash or a power failure there is the old file or the new one, whole. */
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { ByteSink } from '../byteSink.ts';

/**
 * Writes a file under another name, syncs it, renames it and syncs its folder. Both folders are created.
 * @param temporary path on the same disk; it is removed on failure
 * @param mode permissions of the file. Default: 0o666 without the process's umask.
 */
export async function replaceFile(
  path: string,
  temporary: string,
  write: (sink: ByteSink) => Promise<void>,
  mode?: number,
): Promise<void> {
  await mkdir(dirname(temporary), { recursive: true });
  const created = await mkdir(dirname(path), { recursive: true });
  try {
    const handle = await open(temporary, 'w', mode);
    try {
      await write({
        async write(bytes) {
          for (let done = 0; done < bytes.length; ) done += (await handle.write(bytes, done)).bytesWritten;
        },
      });
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {});
    throw error;
  }
  await syncFolder(dirname(path));
  // a new folder is an entry of the folder above it
  for (let folder = dirname(path); created !== undefined && folder.length >= created.length; folder = dirname(folder))
    await syncFolder(dirname(folder));
}

/** Makes a rename durable. Windows cannot open folders and does not need it. */
export async function syncFolder(path: string): Promise<void> {
  const handle = await open(path).catch(() => undefined);
  await handle?.sync().catch(() => {});
  await handle?.close();
}
