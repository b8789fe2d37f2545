/** A folder on disk to publish packages in. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { replaceFile } from '../../formats/sources/replaceFile.node.ts';
import type { Publication } from './publish.ts';
import { openRemote } from './remote.ts';

/** @param folder is created if it does not exist */
export async function folderPublication(folder: string): Promise<Publication> {
  await mkdir(folder, { recursive: true });
  const remote = await openRemote(folder);
  return {
    ...remote,
    async write(path, parts) {
      const target = join(folder, path);
      await replaceFile(target, `${target}.partial-${process.pid}`, async (sink) => {
        for await (const part of parts) await sink.write(part);
      });
    },
  };
}
