/** Threads in Node: worker_threads. */
import { availableParallelism, cpus } from 'node:os';
import v8 from 'node:v8';
import { Worker } from 'node:worker_threads';
import { watchThread } from './lostThreads.node.ts';
import { type OnLost, type ThreadLimit, type WorkerSetup, workerSource } from './workerSource.ts';

/** Minimum Node version; must equal `engines` in package.json. */
const LOWEST_NODE = 20;

/** True because Node's main thread may block at a barrier. */
export function callerMayWait(): boolean {
  return true;
}

/** Identifies the device for speed measurements: engine and processors. */
export function deviceName(): string {
  return `Node ${process.version} on ${processors()} × ${processorModel() ?? process.arch}`;
}

export function threadLimit(): ThreadLimit {
  return { most: processors() };
}

function processors(): number {
  try {
    return availableParallelism();
  } catch {
    return navigator.hardwareConcurrency; // Deno without --allow-sys
  }
}

function processorModel(): string | undefined {
  try {
    return cpus()[0]?.model;
  } catch {
    return undefined; // Deno without --allow-sys
  }
}

/** Node 20 has relaxed SIMD behind a flag. Later versions enable it by default and reject the flag. */
export function enableRelaxedSimd(): void {
  if (nodeMajor() === 20) v8.setFlagsFromString('--experimental-wasm-relaxed-simd');
}

/** Returns a message if this Node is older than the minimum version. */
export function runtimeProblem(): string | undefined {
  const major = nodeMajor();
  if (major === undefined || major >= LOWEST_NODE) return undefined;
  return `Node ${process.version} is too old: Espalier needs Node ${LOWEST_NODE} or newer`;
}

/** Node's major version; undefined in other runtimes with a Node API. */
function nodeMajor(): number | undefined {
  if ('deno' in process.versions || 'bun' in process.versions) return undefined;
  return Number.parseInt(process.versions.node, 10);
}

/**
 * Starts a worker, sends its setup, and waits until its loop runs. It does not keep the process alive. Rejects if any of this
 * fails. @returns a function that ends the worker
 */
export async function startWorker(setup: Promise<WorkerSetup>, onLost?: OnLost): Promise<() => Promise<void>> {
  const source = `${workerSource}
const { parentPort } = require('node:worker_threads');
const { openSync } = require('node:fs');
// Node closes it with the thread, see lostThreads.node.ts
const open = () => {
  try {
    return openSync(process.execPath);
  } catch {
    return -1;
  }
};
parentPort.once('message', (setup) => enter(setup, () => parentPort.postMessage(open())));`;
  // without the process's flags: --input-type would treat the script as a module
  const worker = new Worker(source, { eval: true, execArgv: [] });
  let unwatch: () => void = () => undefined;
  try {
    const fd = await new Promise<number>((resolve, reject) => {
      worker.once('error', reject);
      worker.once('exit', () => reject(new Error('the worker ended before it was ready')));
      worker.once('message', resolve);
      setup.then((value) => worker.postMessage(value)).catch(reject);
    });
    if (nodeMajor() !== undefined) unwatch = watchThread((await setup).memory, fd);
  } catch (error) {
    await worker.terminate();
    throw error;
  }
  worker.removeAllListeners('exit');
  worker.once('exit', () => {
    unwatch();
    onLost?.('it ended');
  });
  worker.on('error', ({ message }) => onLost?.(message));
  worker.unref();
  return async () => {
    unwatch();
    await worker.terminate();
  };
}
