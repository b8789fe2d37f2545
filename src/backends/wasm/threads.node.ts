/** Threads in Node: worker_threads. */
import { availableParallelism, cpus } from 'node:os';
import v8 from 'node:v8';
import { Worker } from 'node:worker_threads';
import { type ThreadLimit, type WorkerSetup, workerSource } from './workerSource.ts';

/** `engines` in package.json says the same. */
const LOWEST_NODE = 20;

/** Node's own thread may sleep at a barrier. */
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

/** Says so where this Node is older than the lowest that is supported. */
export function runtimeProblem(): string | undefined {
  const major = nodeMajor();
  if (major === undefined || major >= LOWEST_NODE) return undefined;
  return `Node ${process.version} is too old: Espalier needs Node ${LOWEST_NODE} or newer`;
}

/** Undefined in runtimes that only imitate Node. */
function nodeMajor(): number | undefined {
  if ('deno' in process.versions || 'bun' in process.versions) return undefined;
  return Number.parseInt(process.versions.node, 10);
}

/**
 * Starts a worker, sets it up when that can be done, and waits until it is in its loop. It does not keep the process
 * alive. Rejects wherever that fails. @returns a function that ends it
 */
export async function startWorker(setup: Promise<WorkerSetup>): Promise<() => Promise<void>> {
  const source = `${workerSource}
const { parentPort } = require('node:worker_threads');
parentPort.once('message', (setup) => enter(setup, () => parentPort.postMessage('ready')));`;
  // without the process's flags, of which --input-type would make a module of the script
  const worker = new Worker(source, { eval: true, execArgv: [] });
  try {
    await new Promise<void>((resolve, reject) => {
      worker.once('error', reject);
      worker.once('exit', () => reject(new Error('the worker ended before it was ready')));
      worker.once('message', () => resolve());
      setup.then((value) => worker.postMessage(value)).catch(reject);
    });
  } catch (error) {
    await worker.terminate();
    throw error;
  }
  worker.unref();
  return async () => {
    await worker.terminate();
  };
}
