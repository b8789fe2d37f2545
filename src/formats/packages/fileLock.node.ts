/**
 * Locks and marks of processes in a folder that several may share. Of this machine's processes the system says whether they live; those of
 * others, such as containers with the same volume, touch their files as long as they live.
 */
import type { Stats } from 'node:fs';
import { link, mkdir, open, rename, rm, stat, utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { isAlive, userFile } from '#leaf/formats/download/environment';
import { PackageError } from './packageError.ts';

/** Milliseconds between two looks at a lock that another process holds. */
const LOCK_POLL = 50;
/** Milliseconds after which a lock without an owner is that of a process that died while it wrote it. */
const UNOWNED = 5000;
/** Milliseconds without a touch after which a process of another machine is gone. Clocks of machines may differ by some of them. */
const STALE = 5 * 60_000;
let graves = 0;

/** Waits until the lock file is ours. A file of a process that is gone is taken over. */
export async function takeLock(path: string, signal?: AbortSignal): Promise<() => Promise<void>> {
  await mkdir(dirname(path), { recursive: true });
  for (;;) {
    signal?.throwIfAborted();
    if (await createLock(path, processMark())) return whileMarked(path);
    if (!(await takeOver(path))) await setTimeout(LOCK_POLL, undefined, { signal });
  }
}

/** Shows other machines that this process lives, by touching a file. @returns ends that and removes the file */
export function whileMarked(path: string): () => Promise<void> {
  const touch = () => void utimes(path, new Date(), new Date()).catch(() => {});
  const timer = setInterval(touch, STALE / 10).unref();
  return () => {
    clearInterval(timer);
    return rm(path, { force: true });
  };
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
  let mark: string;
  let written: Stats;
  try {
    mark = await file.readFile('utf8');
    written = await file.stat();
  } finally {
    await file.close();
  }
  const age = Date.now() - written.mtimeMs;
  if (mark === '' ? age < UNOWNED : !isGone(mark, age)) return false;
  if ((await stat(path).catch(ifMissing))?.ino !== written.ino) return true;
  const grave = `${path}.${process.pid}.${graves++}`;
  await rename(path, grave).catch(ifMissing);
  // another process may have been faster and hold the lock already: it gets its file back
  const buried = await stat(grave).catch(ifMissing);
  if (buried && buried.ino !== written.ino) await link(grave, path).catch(() => {});
  await rm(grave, { force: true });
  return true;
}

/** Identifies this process among those of all machines that may share the folder; fit for file names. */
export function processMark(): string {
  return `${hostname()}~${process.pid}~${bootId()}`;
}

/** @param mark of a process @param age milliseconds since its file was last touched */
export function isGone(mark: string, age: number): boolean {
  const [host, pid, boot] = mark.split('~');
  return host === hostname() ? boot !== bootId() || !isAlive(Number(pid)) : age > STALE;
}

/** Identifies the time since the machine was started; empty where the system does not say. */
function bootId(): string {
  return userFile('/proc/sys/kernel/random/boot_id')?.trim() ?? '';
}

/** A system's error as one of packages if the disk is full. @param path in the folder `store` */
export function diskError(error: unknown, store: string, path: string, bytes: number): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (code !== 'ENOSPC' && code !== 'EDQUOT') return error;
  const problem = `no room for ${path} of ${bytes} bytes: the disk is full`;
  return new PackageError('STORE_FULL', `${store}: ${problem}`, { store, path, bytes }, { cause: error });
}

export function ifMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
  throw error;
}
