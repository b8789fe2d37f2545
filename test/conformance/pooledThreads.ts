/**
 * Threads for conformance tests: workers that are used again by the next program, as starting one takes longer than a case. They
 * run the engine's own code, in the same way.
 */
import { Worker } from 'node:worker_threads';
import { type WorkerSetup, workerSource } from '../../src/backends/wasm/workerSource.ts';

const source = `${workerSource}
const { parentPort } = require('node:worker_threads');
parentPort.on('message', (setup) => {
  enter(setup, () => parentPort.postMessage('ready'));
  parentPort.postMessage('stopped');
});`;

const idle: Worker[] = [];

function heard(worker: Worker, message: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = (finish: () => void) => {
      worker.off('message', onMessage).off('error', onError);
      finish();
    };
    const onMessage = (text: string) => {
      if (text === message) done(resolve);
    };
    const onError = (error: unknown) => done(() => reject(error));
    worker.on('message', onMessage).on('error', onError);
  });
}

/** Like the engine's own function, but the worker that it ends goes back to the others. */
export async function startWorker(setup: Promise<WorkerSetup>): Promise<() => Promise<void>> {
  const value = await setup;
  const worker = idle.pop() ?? new Worker(source, { eval: true, execArgv: [] });
  worker.unref();
  const ready = heard(worker, 'ready');
  worker.postMessage(value);
  await ready;
  const stopped = heard(worker, 'stopped');
  return async () => {
    await stopped;
    idle.push(worker);
  };
}
