/** A store's files in a folder on disk. */
import { readlinkSync } from 'node:fs';
import { mkdir, open, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
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
/** Milliseconds without a touch after which a lock of another machine's process is free. Clocks may differ by some of them. */
const STALE = 5 * 60_000;
/** The same for what it holds and its unfinished files: removing them late costs only room. */
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
      const release = await takeLock(at(`locks/${encodeURIComponent(name)}`), signal);
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
        if ((await removeIfGone(at(`held/${name}`), mark!)) === undefined) found.add(generation);
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

/** Waits until the lock file is ours. A file of a process that is gone is taken over. */
async function takeLock(path: string, signal?: AbortSignal): Promise<() => Promise<void>> {
  await mkdir(dirname(path), { recursive: true });
  const own = `${processMark()}-${temporaries++}`;
  for (;;) {
    signal?.throwIfAborted();
    if (await createLock(path, own)) break;
    if (!(await takeOver(path))) await setTimeout(LOCK_POLL, undefined, { signal });
  }
  // another process may have taken it over, if this one was suspended
  const ifOwn = async (act: () => Promise<void>) => {
    if ((await readFile(path, 'utf8').catch(ifMissing)) === own) await act();
  };
  const stop = atIntervals(() => ifOwn(() => touch(path)));
  return () => {
    stop();
    return ifOwn(() => rm(path, { force: true }));
  };
}

/** @returns false if the file exists */
async function createLock(path: string, own: string): Promise<boolean> {
  const file = await open(path, 'wx').catch((error) => {
    if (error.code !== 'EEXIST') throw diskError(error, dirname(path), basename(path), own.length);
  });
  if (!file) return false;
  try {
    await file.writeFile(own);
  } catch (error) {
    await rm(path, { force: true });
    throw diskError(error, dirname(path), basename(path), own.length);
  } finally {
    await file.close();
  }
  // while it was empty, somebody may have taken it for abandoned
  return (await readFile(path, 'utf8').catch(ifMissing)) === own;
}

/**
 * Removes the lock of a process that is gone. Only one process at a time may do so, and it looks again: the lock may be another one by then.
 * @returns false if its process is alive
 */
async function takeOver(path: string): Promise<boolean> {
  if (!(await isAbandoned(path))) return false;
  // names of locks are encoded, so none ends like this
  const guard = `${path}#`;
  if (!(await createLock(guard, processMark()))) {
    const left = await stat(guard).catch(ifMissing);
    if (left && Date.now() - left.mtimeMs > UNOWNED) await rm(guard, { force: true });
    return false;
  }
  try {
    if (await isAbandoned(path)) await rm(path, { force: true });
  } finally {
    await rm(guard, { force: true });
  }
  return true;
}

async function isAbandoned(path: string): Promise<boolean> {
  const file = await open(path).catch(ifMissing);
  if (!file) return false;
  try {
    const own = await file.readFile('utf8');
    const age = Date.now() - (await file.stat()).mtimeMs;
    return own === '' ? age > UNOWNED : isGone(own.replace(/-\d+$/, ''), age, STALE);
  } finally {
    await file.close();
  }
}

/** Shows other machines that this process lives. */
function touch(path: string): Promise<void> {
  const now = new Date();
  return utimes(path, now, now);
}

/** Calls a function ten times within the time after which a file counts as abandoned. @returns stops the calls */
function atIntervals(act: () => Promise<void>): () => void {
  const timer = setInterval(() => void act().catch(() => {}), STALE / 10).unref();
  return () => clearInterval(timer);
}

/** Identifies this process among those of all machines that may share the folder; fit for file names. */
function processMark(): string {
  return [thisHost(), process.pid, bootId(), startOf(process.pid)].join('~');
}

/** @param mark of a process @param age milliseconds since its file was last touched, which counts on other machines if it is above `stale` */
function isGone(mark: string, age: number, stale: number): boolean {
  const [host, pid, boot, start] = mark.split('~');
  if (host !== thisHost()) return age > stale;
  return boot !== bootId() || !isAlive(Number(pid)) || startOf(Number(pid)) !== start;
}

/** Identifies the machine, or the container: those with their own numbers of processes. */
function thisHost(): string {
  let numbers = '';
  try {
    numbers = readlinkSync('/proc/self/ns/pid');
  } catch {
    // only Linux has them
  }
  return encodeURIComponent(`${hostname()}${numbers}`).replaceAll('~', '%7E');
}

/** Identifies the time since the machine was started; empty where the system does not say. */
function bootId(): string {
  return userFile('/proc/sys/kernel/random/boot_id')?.trim() ?? '';
}

/** When a process was started, because its number may be another's by now; empty where the system does not say. */
function startOf(pid: number): string {
  const status = userFile(`/proc/${pid}/stat`);
  // the second field is the program's name in brackets; this is the twenty-second
  return status?.slice(status.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}

/** A system's error as one of packages if the disk is full. @param path in the folder `store` */
function diskError(error: unknown, store: string, path: string, bytes: number): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (code !== 'ENOSPC' && code !== 'EDQUOT') return error;
  const problem = `no room for ${path} of ${bytes} bytes: the disk is full`;
  return new PackageError('STORE_FULL', `${store}: ${problem}`, { store, path, bytes }, { cause: error });
}

function ifMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
  throw error;
}
