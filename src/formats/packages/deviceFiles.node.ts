/** A store's files in a folder on disk. */
import type { Stats } from 'node:fs';
import { mkdir, open, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { environment, homeFolder, isAlive, userFile } from '#leaf/formats/download/environment';
import { replaceFile } from '../sources/replaceFile.node.ts';
import { missingBytes } from './memoryFiles.ts';
import { PackageError } from './packageError.ts';
import type { StoreFiles } from './storeFiles.ts';

/** Milliseconds between two looks at a lock that another process holds. */
const LOCK_POLL = 50;
/** Milliseconds after which a lock without an owner is that of a process that died while it wrote it. */
const UNOWNED = 5000;
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
      const temporary = at(`tmp/${processId().replaceAll(' ', '~')}-${temporaries++}`);
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
      const release = await lock(at(`locks/${encodeURIComponent(name)}`), signal);
      try {
        return await work();
      } finally {
        await release();
      }
    },
    async hold(generation) {
      const path = at(`held/${generation}.${hostname()}.${process.pid}.${temporaries++}`);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, '').catch((error) => {
        throw diskError(error, folder, path, 0);
      });
      return () => rm(path, { force: true });
    },
    async held() {
      const found = new Set<string>();
      for (const name of (await readdir(at('held')).catch(ifMissing)) ?? []) {
        const [, generation, host, pid] = /^([0-9a-f]+)\.(.+)\.(\d+)\.\d+$/.exec(name) ?? [];
        if (generation === undefined) continue;
        if (host === hostname() && !isAlive(Number(pid))) await rm(at(`held/${name}`), { force: true });
        else found.add(generation);
      }
      return found;
    },
    async sweep() {
      let freed = 0;
      for (const name of (await readdir(at('tmp')).catch(ifMissing)) ?? []) {
        const [, owner = ''] = /^(.+)-\d+$/.exec(name) ?? [];
        if (!isGone(owner.replaceAll('~', ' '))) continue;
        freed += (await stat(at(`tmp/${name}`)).catch(ifMissing))?.size ?? 0;
        await rm(at(`tmp/${name}`), { force: true });
      }
      return freed;
    },
  };
}

function defaultFolder(): string {
  const data = environment('XDG_DATA_HOME') ?? environment('LOCALAPPDATA') ?? join(homeFolder(), '.local', 'share');
  return environment('ESPALIER_PACKAGES') ?? join(data, 'espalier', 'packages');
}

/** Waits until the lock file is ours. A file of a process that is gone is taken over. */
async function lock(path: string, signal?: AbortSignal): Promise<() => Promise<void>> {
  await mkdir(dirname(path), { recursive: true });
  const owner = processId();
  for (;;) {
    signal?.throwIfAborted();
    if (await createLock(path, owner)) return () => rm(path, { force: true });
    if (!(await takeOver(path))) await setTimeout(LOCK_POLL, undefined, { signal });
  }
}

/** @returns false if the file exists */
async function createLock(path: string, owner: string): Promise<boolean> {
  const file = await open(path, 'wx').catch((error) => {
    if (error.code !== 'EEXIST') throw diskError(error, dirname(path), basename(path), owner.length);
  });
  if (!file) return false;
  try {
    await file.writeFile(owner);
  } catch (error) {
    await rm(path, { force: true });
    throw diskError(error, dirname(path), basename(path), owner.length);
  } finally {
    await file.close();
  }
  return true;
}

/**
 * Removes the lock of a process that is gone: by a rename, which only one of several waiting processes achieves.
 * @returns false if its process is alive
 */
async function takeOver(path: string): Promise<boolean> {
  const file = await open(path).catch(ifMissing);
  if (!file) return true;
  let owner: string;
  let written: Stats;
  try {
    owner = await file.readFile('utf8');
    written = await file.stat();
  } finally {
    await file.close();
  }
  if (owner === '' ? Date.now() - written.mtimeMs < UNOWNED : !isGone(owner)) return false;
  const grave = `${path}.${process.pid}.${temporaries++}`;
  if ((await stat(path).catch(ifMissing))?.ino !== written.ino) return true;
  await rename(path, grave).catch(ifMissing);
  await rm(grave, { force: true });
  return true;
}

/** Identifies this process among those of all machines that may share the folder. */
function processId(): string {
  return `${hostname()} ${process.pid} ${bootId()}`;
}

/** True for the id of a process of this machine that has ended, or ran before the machine was last started. */
function isGone(owner: string): boolean {
  const [host, pid, boot] = owner.split(' ');
  return host === hostname() && (boot !== bootId() || !isAlive(Number(pid)));
}

/** Identifies the time since the machine was started; empty where the system does not say. */
function bootId(): string {
  return userFile('/proc/sys/kernel/random/boot_id')?.trim() ?? '';
}

function ifMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
  throw error;
}

function diskError(error: unknown, store: string, path: string, bytes: number): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (code !== 'ENOSPC' && code !== 'EDQUOT') return error;
  const problem = `no room for ${path} of ${bytes} bytes: the disk is full`;
  return new PackageError('STORE_FULL', `${store}: ${problem}`, { store, path, bytes }, { cause: error });
}
