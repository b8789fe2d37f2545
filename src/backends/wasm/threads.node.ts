/** Threads in Node: worker_threads. */
import { availableParallelism, cpus } from 'node:os';
import v8 from 'node:v8';
import { Worker } from 'node:worker_threads';
import { type WorkerSetup, workerSource } from './workerSource.ts';

/** Node's own thread may sleep at a barrier. */
export function callerMayWait(): boolean {
  return true;
}

/** What speed depends on: the engine and the processors. */
export function deviceName(): string {
  return `Node ${process.version} on ${availableParallelism()} × ${cpus()[0]?.model ?? process.arch}`;
}

export function mostThreads(): number {
  return availableParallelism();
}

/** Node 20 has relaxed SIMD behind a flag; later versions have it on and would complain about the flag. */
export function enableRelaxedSimd(): void {
  if (Number.parseInt(process.versions.node, 10) === 20) v8.setFlagsFromString('--experimental-wasm-relaxed-simd');
}

/**
 * Starts a worker, sets it up when that can be done, and waits until it is in its loop. It does not keep the process
 * alive. @returns what ends it
 */
export function startWorker(setup: Promise<WorkerSetup>): Promise<() => Promise<void>> {
  const source = `${workerSource}
const { parentPort } = require('node:worker_threads');
parentPort.once('message', (setup) => enter(setup, () => parentPort.postMessage('ready')));`;
  const worker = new Worker(source, { eval: true });
  return new Promise((resolve, reject) => {
    worker.once('error', reject);
    setup.then(
      (value) => worker.postMessage(value),
      (error) => {
        reject(error);
        void worker.terminate();
      },
    );
    worker.once('message', () => {
      worker.unref();
      resolve(async () => {
        await worker.terminate();
      });
    });
  });
}
