/** A store's files in a folder on disk. */
import { mkdir, open, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { environment, homeFolder } from '#leaf/formats/download/environment';
import { replaceFile } from '../sources/replaceFile.node.ts';
import { atIntervals, ifMissing, isGone, processMark, takeLock, touch } from './lockFile.node.ts';
import { missingBytes } from './memoryFiles.ts';
import { PackageError } from './packageError.ts';
import type { StoreFiles } from './storeFiles.ts';

/** Milliseconds without a touch after which unfinished files, and what is held, of another machine's process may be removed. */
const FORGOTTEN = 24 * 60 * 60_000;
let temporaries = 0;

/**
 * @param folder is created when something is first written; default: ESPALIER_PACKAGES, then `espalier/packages` in the user's
 *   data folder
 */
export function deviceFiles(folder: string = defaultFolder()): StoreFiles {
  const at = (path: string) => join(folder, path);
  return {
    name: folder,
    folder,
    isDurable: true,
    async size(path) {
      return (await stat(at(path)).catch(ifMissing))?.size;
    },
    async read(path, offset, into) {
      const file = await open(at(path)).catch(ifMissing);
      if (!file) throw missingBytes(folder, path, offset + into.length);
      try {
        for (let done = 0; done < into.length; ) {
          const { bytesRead } = await file.read(into, done, into.length - done, offset + done);
          if (bytesRead === 0) throw missingBytes(folder, path, offset + into.length);
          done += bytesRead;
        }
      } finally {
        await file.close();
      }
    },
    async write(path, bytes) {
      const temporary = at(`tmp/${processMark()}-${temporaries++}`);
      await replaceFile(at(path), temporary, (sink) => sink.write(bytes)).catch((error) => {
        throw diskError(error, folder, path, bytes.length);
      });
    },
    async remove(path) {
      await rm(at(path), { force: true });
    },
    async list(path) {
      return (await readdir(at(path)).catch(ifMissing)) ?? [];
    },
    async locked(name, work, signal) {
      const path = `locks/${encodeURIComponent(name)}`;
      const release = await takeLock(at(path), signal).catch((error) => {
        throw diskError(error, folder, path, processMark().length);
      });
      try {
        return await work();
      } finally {
        await release();
      }
    },
    async hold(generation) {
      const path = at(`held/${generation}.${processMark()}-${temporaries++}`);
      const mark = () =>
        writeFile(path, '').catch((error) => {
          throw diskError(error, folder, path, 0);
        });
      await mkdir(dirname(path), { recursive: true });
      await mark();
      // another machine may have removed it, if this process was suspended
      const stop = atIntervals(() => touch(path).catch(mark));
      return () => {
        stop();
        return rm(path, { force: true });
      };
    },
    async held() {
      const found = new Set<string>();
      for (const name of (await readdir(at('held')).catch(ifMissing)) ?? []) {
        const [, generation, mark] = /^([0-9a-f]+)\.(.+)-\d+$/.exec(name) ?? [];
        if (generation === undefined) continue;
        if ((await removeIfGone(at(`held/${name}`), mark)) === undefined) found.add(generation);
      }
      return found;
    },
    async sweep() {
      let freed = 0;
      for (const name of (await readdir(at('tmp')).catch(ifMissing)) ?? []) {
        const [, mark] = /^(.+)-\d+$/.exec(name) ?? [];
        if (mark !== undefined) freed += (await removeIfGone(at(`tmp/${name}`), mark)) ?? 0;
      }
      return freed;
    },
  };
}

/** Removes a file of a process that is gone. @returns bytes freed; undefined if it lives */
async function removeIfGone(path: string, mark: string): Promise<number | undefined> {
  const found = await stat(path).catch(ifMissing);
  if (!found) return 0;
  if (!isGone(mark, Date.now() - found.mtimeMs, FORGOTTEN)) return undefined;
  await rm(path, { force: true });
  return found.size;
}

function defaultFolder(): string {
  const data = environment('XDG_DATA_HOME') ?? environment('LOCALAPPDATA') ?? join(homeFolder(), '.local', 'share');
  return environment('ESPALIER_PACKAGES') ?? join(data, 'espalier', 'packages');
}

/** A system's error as one of packages if the disk is full. @param path in the folder `store` */
function diskError(error: unknown, store: string, path: string, bytes: number): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (code !== 'ENOSPC' && code !== 'EDQUOT') return error;
  const problem = `no room for ${path} of ${bytes} bytes: the disk is full`;
  return new PackageError('STORE_FULL', `${store}: ${problem}`, { store, path, bytes }, { cause: error });
}
