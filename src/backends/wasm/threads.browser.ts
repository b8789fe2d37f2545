/** Threads in browsers: Workers, where the page is cross-origin isolated, else none. */
import { type WorkerSetup, workerSource } from './workerSource.ts';

/** A page's main thread must not sleep; a worker may. */
export function callerMayWait(): boolean {
  return typeof (globalThis as { WorkerGlobalScope?: unknown }).WorkerGlobalScope !== 'undefined';
}

/** What speed depends on, as far as a page may know: the browser and its processors. */
export function deviceName(): string {
  return `${navigator.userAgent} on ${navigator.hardwareConcurrency}`;
}

export function mostThreads(): number {
  return globalThis.crossOriginIsolated ? (navigator.hardwareConcurrency ?? 1) : 1;
}

/** Browsers have it or not; no page can switch it on. */
export function enableRelaxedSimd(): void {}

/** Starts a worker, sets it up when that can be done, and waits until it is in its loop. @returns what ends it */
export function startWorker(setup: Promise<WorkerSetup>): Promise<() => Promise<void>> {
  const source = `${workerSource}
onmessage = ({ data }) => enter(data, () => postMessage('ready'));`;
  const url = URL.createObjectURL(new Blob([source], { type: 'text/javascript' }));
  const worker = new Worker(url);
  return new Promise((resolve, reject) => {
    worker.onerror = (event) => reject(new Error(event.message || 'the worker did not start'));
    worker.onmessage = () => {
      URL.revokeObjectURL(url);
      resolve(async () => worker.terminate());
    };
    setup.then(
      (value) => worker.postMessage(value),
      (error) => {
        reject(error);
        worker.terminate();
      },
    );
  });
}
