/** Starts the worker that runs a page's calls. */
import * as coreErrors from '../core/errors.ts';
import { trustedUrl } from '../core/trustedUrl.ts';
import * as federatedErrors from '../federated/federatedError.ts';
import * as trainingErrors from '../train/trainingError.ts';
import { Connection } from './connection.ts';
import type { ToPage } from './messages.ts';

interface StartOptions {
  /** URL of a copy of the package's worker. */
  readonly workerUrl?: string | URL | undefined;
  readonly signal?: AbortSignal | undefined;
}

const { EspalierError } = coreErrors;
const errors = new Map(
  Object.entries({ ...coreErrors, ...trainingErrors, ...federatedErrors }).flatMap(([name, type]) =>
    name.endsWith('Error') ? [[name, type as unknown as typeof EspalierError] as const] : [],
  ),
);

/** @returns the connection, or the reason why no worker could start @throws the signal's reason */
export async function startEngineWorker({ workerUrl, signal }: StartOptions): Promise<Connection | string> {
  if (typeof Worker === 'undefined') return 'this browser has no workers';
  let problem = '';
  for (const start of workerUrl === undefined ? ownWorkers : [() => startAt(absolute(workerUrl))]) {
    try {
      const { worker, file } = start();
      await ready(worker, signal);
      return connect(worker, file);
    } catch (error) {
      signal?.throwIfAborted();
      problem ||= error instanceof Error ? error.message : String(error);
    }
  }
  return `its worker did not start: ${problem}; the option workerUrl names the URL of the package's worker`;
}

interface Started {
  readonly worker: Worker;
  /** URL of the file, for helper threads. */
  readonly file: string;
}

const ownWorkers: readonly (() => Started)[] = [
  // bundlers recognize workers by exactly this expression
  () => ({ worker: new Worker(new URL('./espalier.worker.js', import.meta.url), { type: 'module' }), file: ownFile() }),
  // required by pages with Trusted Types
  () => startAt(ownFile()),
  // a script of another origin, or without cross-origin isolation headers, cannot be started but can be imported
  () => startFromBlob(ownFile()),
];

/** Written differently, so that bundlers do not treat it as an asset and copy the file unbundled. */
function ownFile(): string {
  const { url } = import.meta;
  return new URL('espalier.worker.js', url).href;
}

function startAt(file: string): Started {
  return { worker: new Worker(trustedUrl(file), { type: 'module' }), file };
}

function startFromBlob(file: string): Started {
  const text = `import ${JSON.stringify(file)};`;
  const url = URL.createObjectURL(new Blob([text], { type: 'text/javascript' }));
  return { worker: new Worker(trustedUrl(url), { type: 'module' }), file };
}

function absolute(url: string | URL): string {
  return new URL(url, document.baseURI).href;
}

/** Waits until the worker's script runs. */
async function ready(worker: Worker, signal: AbortSignal | undefined): Promise<void> {
  let abort: (() => void) | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      worker.onmessage = () => resolve();
      worker.onerror = (event) => {
        event.preventDefault();
        reject(new Error(event.message || 'its file cannot be loaded'));
      };
      abort = () => reject(signal?.reason);
      signal?.addEventListener('abort', abort);
    });
  } catch (error) {
    worker.terminate();
    throw error;
  } finally {
    if (abort) signal?.removeEventListener('abort', abort);
  }
}

function connect(worker: Worker, file: string): Connection {
  const connection = new Connection(
    {
      post: (message, transfer) => worker.postMessage(message, transfer),
      close: () => end(worker),
    },
    errors,
  );
  const lose = (problem: string) =>
    connection.close(new EspalierError('WORKER_LOST', `the worker of this model ended: ${problem}`));
  worker.onmessage = ({ data }: MessageEvent<ToPage>) => connection.receive(data);
  worker.onmessageerror = () => lose('a message could not be read');
  worker.onerror = (event) => lose(event.message || 'it failed');
  worker.postMessage({ type: 'start', base: document.baseURI, file });
  return connection;
}

/** Time for a worker to end by itself, in milliseconds. After that it is terminated. */
const END_LIMIT = 200;

function end(worker: Worker): void {
  const timer = setTimeout(() => worker.terminate(), END_LIMIT);
  worker.onmessage = ({ data }: MessageEvent<ToPage>) => {
    if (data.type !== 'ended') return;
    clearTimeout(timer);
    worker.terminate();
  };
  worker.onerror = null;
  worker.postMessage({ type: 'end' });
}
