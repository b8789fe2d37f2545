/**
 * The cache as a folder. A file becomes complete by a rename, so it is there whole or not at all. A partial file has
 * one writer, whose host and process its name tells; it is taken over, by a rename too, only when that one is gone.
 */
import { constants, mkdir, open, readdir, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { homedir, hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import type { ByteSource } from '../byteSource.ts';
import { directory } from '../sources/path.node.ts';
import type { CacheStore, PartialFile } from './cacheStore.ts';
import { environment } from './environment.node.ts';

/** A partial file that nobody has touched for this long, in ms, is nobody's, whatever its name says. */
const ABANDONED_AFTER = 3_600_000;
const HOST = hostname().replace(/[^\w]/g, '_');

let partials = 0;

/** @param folder defaults to ESPALIER_CACHE, then to `espalier` in the user's cache folder */
export function cacheStore(folder: string = defaultFolder()): CacheStore {
  const at = (path: readonly string[]) => join(folder, ...path);
  return {
    async open(path): Promise<ByteSource | undefined> {
      const file = at(path);
      return directory(dirname(file)).open(basename(file));
    },
    async fill(path, version, work) {
      const file = at(path);
      await mkdir(dirname(file), { recursive: true });
      const claimed = await claim(file, version);
      try {
        await writePartial(claimed, work);
      } catch (error) {
        await rename(claimed, partialName(file, version, 'free', partials++));
        throw error;
      }
      await rename(claimed, file);
    },
    async markAbsent(path) {
      await mkdir(dirname(at(path)), { recursive: true });
      await writeFile(`${at(path)}.absent`, '');
    },
    async isAbsent(path) {
      return (await stat(`${at(path)}.absent`).catch(() => undefined)) !== undefined;
    },
  };
}

function defaultFolder(): string {
  const caches = environment('XDG_CACHE_HOME') ?? environment('LOCALAPPDATA') ?? join(homedir(), '.cache');
  return environment('ESPALIER_CACHE') ?? join(caches, 'espalier');
}

/** Writes to a partial file what is missing, and to the disk. */
async function writePartial(path: string, work: (partial: PartialFile) => Promise<void>): Promise<void> {
  const handle = await open(path, constants.O_RDWR | constants.O_CREAT);
  try {
    let size = (await handle.stat()).size;
    await work({
      get size() {
        return size;
      },
      async append(bytes) {
        for (let done = 0; done < bytes.length; ) {
          const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, size);
          done += bytesWritten;
          size += bytesWritten;
        }
      },
      async read(offset, length, into) {
        await handle.read(into, 0, length, offset);
      },
      async clear() {
        await handle.truncate(0);
        size = 0;
      },
    });
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** The path of a partial file that is now ours: the largest that nobody writes, or a new one. Others are removed. */
async function claim(file: string, version: string): Promise<string> {
  const ours = partialName(file, version, HOST, process.pid, partials++);
  let claimed = false;
  for (const { path, sameVersion } of await freePartials(file, version)) {
    if (claimed || !sameVersion) await rm(path, { force: true });
    else {
      claimed = await rename(path, ours).then(
        () => true,
        () => false,
      );
    }
  }
  const now = new Date();
  if (claimed) await utimes(ours, now, now);
  return ours;
}

/** Partial files of a file that have no writer, largest first. */
async function freePartials(file: string, version: string) {
  const folder = dirname(file);
  const found: { path: string; size: number; sameVersion: boolean }[] = [];
  for (const name of await readdir(folder)) {
    if (!name.startsWith(`${basename(file)}.`)) continue;
    const parts = /^\.(\w+)\.(\w+?)-(\d+)(?:-\d+)?\.partial$/.exec(name.slice(basename(file).length));
    const status = parts && (await stat(join(folder, name)).catch(() => undefined));
    if (!status) continue;
    const [, itsVersion, host, pid] = parts;
    const gone = host === 'free' || (host === HOST && !isAlive(Number(pid)));
    if (!gone && Date.now() - status.mtimeMs < ABANDONED_AFTER) continue;
    found.push({ path: join(folder, name), size: status.size, sameVersion: itsVersion === version });
  }
  return found.sort((a, b) => b.size - a.size);
}

function partialName(file: string, version: string, ...owner: (string | number)[]): string {
  return `${file}.${version}.${owner.join('-')}.partial`;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
