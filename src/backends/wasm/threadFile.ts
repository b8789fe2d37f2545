/** Worker script that can also start helper threads, for pages whose policy forbids blob: URLs. */
import type { WorkerSetup } from './workerSource.ts';

/** First message to a worker script that should become a helper thread. */
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

/** The code of `workerSource` for a worker script. */
export function enterThread({ modules, memory, indices, thread, seen }: WorkerSetup, ready: () => void): void {
  const table = new WebAssembly.Table({ element: 'anyfunc', initial: indices.size + 1 });
  const now = () => performance.now() / 1000;
  const instances = modules.map((module) => new WebAssembly.Instance(module, { env: { memory, table, now } }));
  const exports: WebAssembly.Exports = Object.assign({}, ...instances.map((instance) => instance.exports));
  for (const [name, index] of indices) table.set(index, exports[name]);
  ready();
  (exports.work as (thread: number, seen: number) => void)(thread, seen);
}
