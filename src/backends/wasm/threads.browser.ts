/** Threads in browsers: Workers, if the page may share memory with them. */
import { trustedUrl } from '../../core/trustedUrl.ts';
import { type ThreadMessage, threadFile } from './threadFile.ts';
import { type OnLost, type ThreadLimit, type WorkerSetup, workerSource } from './workerSource.ts';

/** True if this thread may block: not a page's main thread, and not a service worker. */
export function callerMayWait(): boolean {
  try {
    const { buffer } = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
    // returns at once, as the word is not 1
    Atomics.wait(new Int32Array(buffer), 0, 1);
    return true;
  } catch {
    return false;
  }
}

/** Identifies the device for speed measurements, by browser and number of processors. */
export function deviceName(): string {
  return `${navigator.userAgent} on ${navigator.hardwareConcurrency}`;
}

export function threadLimit(): ThreadLimit {
  const processors = navigator.hardwareConcurrency ?? 1;
  if (processors === 1) return { most: 1 };
  const reason = refusal();
  return reason ? { most: 1, reason } : { most: processors };
}

function refusal(): string | undefined {
  if (!globalThis.crossOriginIsolated)
    return 'this page is not cross-origin isolated: serve it with the headers Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp';
  if (typeof SharedArrayBuffer === 'undefined') return 'this browser has no SharedArrayBuffer';
  if (typeof Worker === 'undefined') return 'there are no workers here, as in a service worker';
  return undefined;
}

/** Pages cannot enable relaxed SIMD. */
export function enableRelaxedSimd(): void {}

/** Always undefined: browsers are checked by features, not by version. */
export function runtimeProblem(): string | undefined {
  return undefined;
}

/**
 * Starts a worker, sends its setup, and waits until its loop runs. Starts it from text or, if that fails, from our own worker
 * script. Rejects if both fail. @returns a function that ends the worker
 */
export async function startWorker(setup: Promise<WorkerSetup>, onLost?: OnLost): Promise<() => Promise<void>> {
  const file = threadFile();
  if (!textIsForbidden || file === undefined) {
    try {
      return await startFromText(setup, onLost);
    } catch (error) {
      if (file === undefined) throw error;
      textIsForbidden = true;
    }
  }
  const message = (value: WorkerSetup): ThreadMessage => ({ type: 'thread', setup: value });
  return startFrom(trustedUrl(file), 'module', setup, message, onLost);
}

/** Cached, because a page's policy does not change. */
let textIsForbidden = false;

async function startFromText(setup: Promise<WorkerSetup>, onLost?: OnLost): Promise<() => Promise<void>> {
  const source = `${workerSource}
onmessage = ({ data }) => enter(data, () => postMessage('ready'));`;
  const url = URL.createObjectURL(new Blob([source], { type: 'text/javascript' }));
  try {
    return await startFrom(trustedUrl(url), 'classic', setup, (value) => value, onLost);
  } finally {
    URL.revokeObjectURL(url);
  }
}

async function startFrom(
  url: string,
  type: WorkerType,
  setup: Promise<WorkerSetup>,
  message: (setup: WorkerSetup) => unknown,
  onLost?: OnLost,
): Promise<() => Promise<void>> {
  const worker = new Worker(url, { type });
  try {
    await new Promise<void>((resolve, reject) => {
      // an error without a message: the script was refused before it ran
      worker.onerror = ({ message }) =>
        reject(new Error(message || "the page's Content-Security-Policy needs worker-src blob:"));
      worker.onmessage = ({ data }) => {
        if (data === 'ready') resolve();
      };
      setup.then((value) => worker.postMessage(message(value))).catch(reject);
    });
  } catch (error) {
    worker.terminate();
    throw error;
  }
  worker.onerror = (event) => {
    event.preventDefault();
    onLost?.(event.message || 'it failed');
  };
  return async () => worker.terminate();
}
