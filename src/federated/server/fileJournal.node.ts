/** A journal in a folder. A snapshot names its journal file, so that replacing both is one rename. */
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { SourceError } from '../../core/errors.ts';
import { frame, type Journal, unframe } from './journal.ts';

/** @param folder is created if needed; one process at a time may use it */
export async function fileJournal(folder: string): Promise<Journal> {
  await mkdir(folder, { recursive: true });
  const snapshotPath = join(folder, 'snapshot');
  const found = await readFile(snapshotPath).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw new SourceError(snapshotPath, error.message, {}, { cause: error });
  });
  const [head, content] = found ? unframe(plainBytes(found)).entries : [];
  if (found && !content)
    throw new SourceError(snapshotPath, 'is damaged: restore it from a backup, or use another folder');
  let number = head ? Number(new TextDecoder().decode(head)) : 0;
  let snapshot = content;
  const path = (n: number) => join(folder, `journal-${n}`);
  for (const name of await readdir(folder))
    if (/^journal-\d+$/.test(name) && name !== `journal-${number}`) await rm(join(folder, name));
  let file = await open(path(number), 'a+');
  await syncFolder(folder);
  return {
    async read() {
      const { entries, length } = unframe(plainBytes(await readFile(path(number))));
      await file.truncate(length);
      return { snapshot, entries };
    },
    async append(entry) {
      await file.appendFile(frame(entry));
      await file.datasync();
    },
    async replace(next) {
      const following = await open(path(number + 1), 'w+');
      const head = new TextEncoder().encode(String(number + 1));
      const temporary = `${snapshotPath}.new`;
      const target = await open(temporary, 'w');
      await target.writeFile(frame(head));
      await target.writeFile(frame(next));
      await target.sync();
      await target.close();
      await rename(temporary, snapshotPath);
      await syncFolder(folder);
      await file.close();
      await rm(path(number));
      number++;
      file = following;
      snapshot = next;
    },
    close: () => file.close(),
  };
}

/** A Buffer's `slice` shares its memory, an array's does not. */
function plainBytes({ buffer, byteOffset, byteLength }: Uint8Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r').catch(() => undefined);
  // Windows cannot open folders
  await handle?.sync().catch(() => {});
  await handle?.close();
}
