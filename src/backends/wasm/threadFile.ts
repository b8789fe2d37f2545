/** The file that helper threads can be started from where the page's policy forbids blob: URLs: that of our own worker. */
import type { WorkerSetup } from './workerSource.ts';

/** First message to a worker's file that is to be a helper thread. */
export interface ThreadMessage {
  readonly type: 'thread';
  readonly setup: WorkerSetup;
}

let file: string | undefined;

export function setThreadFile(url: string): void {
  file = url;
}

export function threadFile(): string | undefined {
  return file;
}

/** What `workerSource` says as text, for a worker's file. */
export function enterThread({ module, memory, indices, thread, seen }: WorkerSetup, ready: () => void): void {
  const table = new WebAssembly.Table({ element: 'anyfunc', initial: indices.size + 1 });
  const now = () => performance.now() / 1000;
  const { exports } = new WebAssembly.Instance(module, { env: { memory, table, now } });
  for (const [name, index] of indices) table.set(index, exports[name]);
  ready();
  (exports.work as (thread: number, seen: number) => void)(thread, seen);
}
