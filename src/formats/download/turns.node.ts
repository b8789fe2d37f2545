/**
 * Locks between processes that write the same file, with the lock files of Hugging Face's Python tools: an exclusive flock(2).
 * Node has no such call, so the `flock` command of util-linux holds the lock. It ends with this process, even if that is
 * killed. Without this command, locks only work within this process; two processes then download the same file twice, each
 * to its own partial file.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { abortable } from '../../core/abortable.ts';

export interface Turn {
  /** True if the lock also excludes other processes. */
  readonly exclusive: boolean;
  end(): void;
}

export interface TurnOptions {
  readonly signal?: AbortSignal;
  /** Called every 250 ms while waiting for the lock. */
  readonly onWait?: () => void;
  /** False to lock only within this process. Default true. */
  readonly amongProcesses?: boolean;
}

const WAIT_INTERVAL = 250;

/** Path of a lock file → end of this process's last queued turn. */
const queues = new Map<string, Promise<void>>();

/** Waits for the lock. @throws the signal's reason */
export async function takeTurn(path: string, { signal, onWait, amongProcesses = true }: TurnOptions): Promise<Turn> {
  signal?.throwIfAborted();
  const timer = onWait && setInterval(onWait, WAIT_INTERVAL);
  let end = () => {};
  const before = queues.get(path);
  const mine = new Promise<void>((resolve) => {
    end = resolve;
  });
  const all = Promise.all([before, mine]).then(() => {
    if (queues.get(path) === all) queues.delete(path);
  });
  queues.set(path, all);
  try {
    if (before) await abortable(before, signal);
    const release = amongProcesses ? await lockAmongProcesses(path, signal) : undefined;
    return {
      exclusive: release !== undefined,
      end() {
        release?.();
        end();
      },
    };
  } catch (error) {
    end();
    throw error;
  } finally {
    clearInterval(timer);
  }
}

/** @returns a function that releases the lock; undefined without the `flock` command */
async function lockAmongProcesses(path: string, signal?: AbortSignal): Promise<(() => void) | undefined> {
  if (process.platform !== 'linux') return undefined;
  await mkdir(dirname(path), { recursive: true });
  let helper: ChildProcessByStdio<Writable, Readable, null>;
  try {
    // prints a line once it has the lock, and ends when its input does
    helper = spawn('flock', ['-x', path, 'sh', '-c', 'echo; exec cat >&2'], { stdio: ['pipe', 'pipe', 'ignore'] });
  } catch {
    return undefined;
  }
  const failed = new Promise<undefined>((resolve) => {
    helper.on('error', () => resolve(undefined)).on('close', () => resolve(undefined));
  });
  helper.stdin.on('error', () => {});
  const locked = new Promise<() => void>((resolve) => {
    helper.stdout.once('data', () => {
      for (const handle of [helper, helper.stdin, helper.stdout] as unknown as { unref?(): void }[]) handle.unref?.();
      resolve(() => void helper.stdin.end());
    });
  });
  try {
    return await abortable(Promise.race([locked, failed]), signal);
  } catch (error) {
    helper.kill();
    throw error;
  }
}
