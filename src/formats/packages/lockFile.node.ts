/** Locks between processes: a file that names the process that holds it. The file of a process that is gone is taken over. */
import { readlinkSync } from 'node:fs';
import { mkdir, open, readFile, rm, stat, utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { isAlive, userFile } from '#leaf/formats/download/environment';

/** Milliseconds between two looks at a lock that another process holds. */
const LOCK_POLL = 50;
/** Milliseconds after which a lock without an owner is that of a process that died while it wrote it. */
const UNOWNED = 5000;
/** Milliseconds without a touch after which a lock of another machine's process is free. Clocks may differ by some of them. */
const STALE = 5 * 60_000;
let locks = 0;

/** Waits until this process holds the lock. @returns releases it */
export async function takeLock(path: string, signal?: AbortSignal): Promise<() => Promise<void>> {
  for (;;) {
    signal?.throwIfAborted();
    const release = await tryLock(path);
    if (release) return release;
    await setTimeout(LOCK_POLL, undefined, { signal });
  }
}

/** Takes the lock of a file if nobody holds it. @returns releases it; undefined if a process that is alive holds it */
export async function tryLock(path: string): Promise<(() => Promise<void>) | undefined> {
  await mkdir(dirname(path), { recursive: true });
  const own = `${processMark()}-${locks++}`;
  while (!(await createLock(path, own))) if (!(await takeOver(path))) return undefined;
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
    if (error.code !== 'EEXIST') throw error;
  });
  if (!file) return false;
  try {
    await file.writeFile(own);
  } catch (error) {
    await rm(path, { force: true });
    throw error;
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
  // no name of a lock ends like this
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
export function touch(path: string): Promise<void> {
  const now = new Date();
  return utimes(path, now, now);
}

/** Calls a function ten times within the time after which a file counts as abandoned. @returns stops the calls */
export function atIntervals(act: () => Promise<void>): () => void {
  const timer = setInterval(() => void act().catch(() => {}), STALE / 10).unref();
  return () => clearInterval(timer);
}

/** Identifies this process among those of all machines that may share the folder; fit for file names. */
export function processMark(): string {
  return [thisHost(), process.pid, bootId(), startOf(process.pid)].join('~');
}

/** @param mark of a process @param age milliseconds since its file was last touched, which counts on other machines if it is above `stale` */
export function isGone(mark: string, age: number, stale: number): boolean {
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

export function ifMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
  throw error;
}
