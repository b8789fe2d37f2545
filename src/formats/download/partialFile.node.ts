/**
 * Partial files on disk. A rename makes a file complete, so completion is atomic. The name of a partial file contains the
 * version of the file and the host and process of its writer. When that process has ended, another one takes the file over,
 * also by a rename.
 */
import { constants, mkdir, open, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { type ClaimOptions, isPartialOf, PARTIAL_SUFFIX, type PartialFile } from './cacheStore.ts';
import { isAlive } from './environment.node.ts';
import { takeTurn } from './turns.node.ts';

interface ClaimPartialOptions extends ClaimOptions {
  /** Path of the lock file. */
  readonly lock: string;
  /** False to allow several processes to write the same file at once, each to its own partial file. Default true. */
  readonly amongProcesses?: boolean;
  readonly version: string;
  /** Returns true if the complete file exists. */
  readonly exists: () => Promise<boolean>;
  /** Partial files of other tools to resume, if no process is writing them. */
  readonly foreign?: RegExp;
  /** Called when the file is complete, before the lock is released. */
  readonly onComplete?: () => Promise<void>;
}

/** Age in milliseconds after which a partial file counts as abandoned, even if its name names a writer. */
const ABANDONED_AFTER = 3_600_000;

let partials = 0;

/** @returns undefined if the file is complete, e.g. because another process has written it */
export async function claimPartial(file: string, options: ClaimPartialOptions): Promise<PartialFile | undefined> {
  const { signal, onWait, version, amongProcesses } = options;
  await mkdir(dirname(file), { recursive: true });
  const reportProgress = onWait && (() => void bytesOfPartials(file).then(onWait, () => {}));
  const turn = await takeTurn(options.lock, { signal, onWait: reportProgress, amongProcesses });
  try {
    if (await options.exists()) {
      turn.end();
      return undefined;
    }
    const path = await claim(file, version, turn.exclusive ? options.foreign : undefined);
    return await openPartial(path, file, options, () => turn.end());
  } catch (error) {
    turn.end();
    throw error;
  }
}

async function openPartial(
  path: string,
  file: string,
  { version, onComplete }: ClaimPartialOptions,
  end: () => void,
): Promise<PartialFile> {
  const handle = await open(path, constants.O_RDWR | constants.O_CREAT);
  let { size } = await handle.stat();
  let completed = false;
  let ended = false;
  const finish = async (last: () => Promise<void>) => {
    if (ended) return;
    ended = true;
    try {
      await handle.close();
      await last();
    } finally {
      end();
    }
  };
  return {
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
      for (let done = 0; done < length; ) {
        const { bytesRead } = await handle.read(into, done, length - done, offset + done);
        if (bytesRead === 0) throw new Error(`${path} was cut while it was read`);
        done += bytesRead;
      }
    },
    async clear() {
      await handle.truncate(0);
      size = 0;
    },
    async complete() {
      await handle.sync();
      await rename(path, file);
      completed = true;
      await onComplete?.();
      end();
    },
    release: () => finish(() => (completed ? Promise.resolve() : rename(path, partialName(file, version, 'free')))),
    discard: () => finish(() => rm(path, { force: true })),
  };
}

/** Takes over the largest abandoned partial file, or creates one, and removes the others. @returns its path */
async function claim(file: string, version: string, foreign?: RegExp): Promise<string> {
  const ours = partialName(file, version, host(), process.pid);
  let claimed = false;
  for (const { path, sameVersion } of await freePartials(file, version, foreign)) {
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

/** Abandoned partial files of a file, largest first. */
async function freePartials(file: string, version: string, foreign?: RegExp) {
  const found: { path: string; size: number; sameVersion: boolean }[] = [];
  for (const name of await readdir(dirname(file))) {
    if (!isPartialOf(name, basename(file))) continue;
    const path = join(dirname(file), name);
    const status = await stat(path).catch(() => undefined);
    const rest = name.slice(basename(file).length);
    const parts = /^\.([\w-]+?)\.(\w+?)-(\d+)(?:-\d+)?\.incomplete$/.exec(rest);
    if (!status) continue;
    if (!parts) {
      if (foreign?.test(rest)) found.push({ path, size: status.size, sameVersion: true });
      continue;
    }
    const [, itsVersion, itsHost, pid] = parts;
    const gone = itsHost === 'free' || (itsHost === host() && Number(pid) !== process.pid && !isAlive(Number(pid)));
    if (!gone && Date.now() - status.mtimeMs < ABANDONED_AFTER) continue;
    found.push({ path, size: status.size, sameVersion: itsVersion === version });
  }
  return found.sort((a, b) => b.size - a.size);
}

/** Size of the largest partial file of a file: the progress of its download. */
async function bytesOfPartials(file: string): Promise<number> {
  let most = 0;
  for (const name of await readdir(dirname(file))) {
    if (isPartialOf(name, basename(file))) most = Math.max(most, (await stat(join(dirname(file), name))).size);
  }
  return most;
}

function partialName(file: string, version: string, ...owner: (string | number)[]): string {
  return `${file}.${version}.${[...owner, partials++].join('-')}${PARTIAL_SUFFIX}`;
}

function host(): string {
  return hostname().replace(/[^\w]/g, '_');
}
