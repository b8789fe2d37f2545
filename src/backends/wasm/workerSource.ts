import { CONTROL, CONTROL_WORDS, word } from './control.ts';

/**
 * The source code of workers as text. It has no dependencies, so that it starts from memory in Node and browsers, whatever a
 * bundler does to the rest. A worker receives one message and then stays in WebAssembly until it is stopped.
 */
export const workerSource = `
function enter({ modules, memory, indices, thread, seen }, ready) {
  const table = new WebAssembly.Table({ element: 'anyfunc', initial: indices.size + 1 });
  const now = () => performance.now() / 1000;
  const lost = () => 0;
  const instances = modules.map((module) => new WebAssembly.Instance(module, { env: { memory, table, now, lost } }));
  const exports = Object.assign({}, ...instances.map((instance) => instance.exports));
  for (const [name, index] of indices) table.set(index, exports[name]);
  ready();
  try {
    exports.work(thread, seen);
  } catch (error) {
    // the others wait at the barrier, and look at the word 'failed' of the control block
    const control = new Int32Array(memory.buffer, ${CONTROL}, ${CONTROL_WORDS});
    Atomics.store(control, ${word.failed}, 1);
    Atomics.notify(control, ${word.phase});
    throw error;
  }
}
`;

/** Called when a worker has ended by itself. */
export type OnLost = (reason: string) => void;

/** Message to a worker. */
export interface WorkerSetup {
  readonly modules: readonly WebAssembly.Module[];
  readonly memory: WebAssembly.Memory;
  readonly indices: ReadonlyMap<string, number>;
  readonly thread: number;
  /** Value of the step counter at the start. */
  readonly seen: number;
}

/** Maximum number of threads. */
export interface ThreadLimit {
  /** Maximum threads, including the caller's. */
  readonly most: number;
  /** Reason if it is only one although the device has more processors. */
  readonly reason?: string;
}
