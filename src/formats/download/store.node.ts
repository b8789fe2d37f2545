/** Cache in a folder on disk. */
import { readdir, rm, stat, statfs } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { directory } from '../sources/path.node.ts';
import { type CacheStore, fillClaimed, isPartialOf } from './cacheStore.ts';
import { environment, homeFolder } from './environment.node.ts';
import { claimPartial } from './partialFile.node.ts';

/** @param folder path. Default: ESPALIER_CACHE, then `espalier` in the user's cache folder */
export function cacheStore(folder: string = defaultFolder()): CacheStore {
  const at = (path: readonly string[]) => join(folder, ...path);
  const place = (path: readonly string[], version: string) => {
    const lock = join(folder, '.locks', `${path.join('-')}.lock`);
    return { file: at(path), lock, version };
  };
  const store: CacheStore = {
    async open(path) {
      const file = at(path);
      return directory(dirname(file)).open(basename(file));
    },
    claim(path, version, options = {}) {
      const { file, ...rest } = place(path, version);
      return claimPartial(file, { ...options, ...rest, exists: () => isFile(file) });
    },
    async fill(path, version, work) {
      const { file, ...rest } = place(path, version);
      const claimed = await claimPartial(file, { ...rest, amongProcesses: false, exists: async () => false });
      await fillClaimed(claimed!, work);
    },
    async remove(path) {
      const file = at(path);
      const bytes = await store.bytes(path);
      await rm(file, { recursive: true, force: true });
      for (const name of await namesIn(dirname(file)))
        if (isPartialOf(name, basename(file))) await rm(join(dirname(file), name), { force: true });
      return bytes;
    },
    names: (path) => namesIn(at(path)),
    async bytes(path) {
      const file = at(path);
      let bytes = await bytesIn(file);
      for (const name of await namesIn(dirname(file)))
        if (isPartialOf(name, basename(file))) bytes += await bytesIn(join(dirname(file), name));
      return bytes;
    },
    available: () => availableAt(folder),
  };
  return store;
}

function defaultFolder(): string {
  const caches = environment('XDG_CACHE_HOME') ?? environment('LOCALAPPDATA') ?? join(homeFolder(), '.cache');
  return environment('ESPALIER_CACHE') ?? join(caches, 'espalier');
}

/** Free bytes on the disk of a folder that may not exist yet. */
async function availableAt(folder: string): Promise<number | undefined> {
  for (let at = folder; ; at = dirname(at)) {
    const found = await statfs(at).catch(() => undefined);
    if (found) return found.bavail * found.bsize;
    if (at === dirname(at)) return undefined;
  }
}

async function isFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isFile() ?? false;
}

async function namesIn(folder: string): Promise<readonly string[]> {
  return readdir(folder).catch(() => []);
}

async function bytesIn(path: string): Promise<number> {
  const status = await stat(path).catch(() => undefined);
  if (!status?.isDirectory()) return status?.size ?? 0;
  let bytes = 0;
  for (const name of await namesIn(path)) bytes += await bytesIn(join(path, name));
  return bytes;
}
