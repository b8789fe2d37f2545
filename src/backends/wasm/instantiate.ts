/** Creates the kernels of a thread over the memory that all threads share. */
import { hasLostThread } from '#leaf/backends/wasm/lostThreads';
import type { KernelExports, KernelModules } from './module.ts';

/** workerSource.ts has the same code as text, for workers that start without a file. @returns all exports */
export function instantiate(
  { modules, indices }: Pick<KernelModules, 'modules' | 'indices'>,
  memory: WebAssembly.Memory,
): KernelExports {
  const table = new WebAssembly.Table({ element: 'anyfunc', initial: indices.size + 1 });
  const now = () => performance.now() / 1000;
  const lost = () => (hasLostThread(memory) ? 1 : 0);
  const instances = modules.map((module) => new WebAssembly.Instance(module, { env: { memory, table, now, lost } }));
  const exports = Object.assign({}, ...instances.map((instance) => instance.exports)) as KernelExports;
  for (const [name, index] of indices) table.set(index, exports[name]);
  return exports;
}
