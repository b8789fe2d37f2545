/** The WebAssembly backend: AssemblyScript SIMD kernels over one shared memory, 1 … N threads. */
import type { Backend } from '../../graph/program.ts';
import { compile, memoryNeeds } from './compile.ts';

export { variants } from './module.ts';
export { type Arithmetic, Probe } from './probe.ts';
export const wasm: Backend = { name: 'wasm', memoryNeeds, compile };
