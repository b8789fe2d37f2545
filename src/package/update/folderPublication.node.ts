/** A folder on disk to publish packages in. */
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Publication } from './publish.ts';
import { openRemote } from './remote.ts';

/** @param folder is created if it does not exist */
export async function folderPublication(folder: string): Promise<Publication> {
  await mkdir(folder, { recursive: true });
  const remote = await openRemote(folder);
  return {
    ...remote,
    async write(path, parts) {
      const temporary = join(folder, `${path}.partial-${process.pid}`);
      await mkdir(dirname(temporary), { recursive: true });
      try {
        const file = await open(temporary, 'w');
        try {
          for await (const part of parts) await file.writeFile(part);
          await file.sync();
        } finally {
          await file.close();
        }
        await rename(temporary, join(folder, path));
      } finally {
        await rm(temporary, { force: true });
      }
    },
  };
}
