/**
 * What a worker runs, as text: it depends on nothing, so it starts from memory in Node and in browsers, whatever a
 * bundler did to the rest. It gets one message and then stays in WebAssembly until it is told to stop.
 */
export const workerSource = `
function enter({ module, memory, indices, thread, seen }, ready) {
  const table = new WebAssembly.Table({ element: 'anyfunc', initial: indices.size + 1 });
  const now = () => performance.now() / 1000;
  const { exports } = new WebAssembly.Instance(module, { env: { memory, table, now } });
  for (const [name, index] of indices) table.set(index, exports[name]);
  ready();
  exports.work(thread, seen);
}
`;

/** The message that a worker gets. */
export interface WorkerSetup {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly indices: ReadonlyMap<string, number>;
  readonly thread: number;
  /** The step word when it starts. */
  readonly seen: number;
}

/** How many threads may compute here. */
export interface ThreadLimit {
  /** The caller's own among them. */
  readonly most: number;
  /** Why it is one only, on a device that has more processors. */
  readonly reason?: string;
}
