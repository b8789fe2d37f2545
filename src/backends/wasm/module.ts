/** Compiles the kernels, checks which variants this engine can run, and creates instances with a table of kernels. */

import { inflate } from '#leaf/backends/wasm/inflate';
import { enableRelaxedSimd } from '#leaf/backends/wasm/threads';
import { OptionError } from '../../core/errors.ts';
import { CONTROL } from './control.ts';
import { startError } from './startError.ts';

/** Builds of the kernels. */
type Build = 'relaxed-i16' | 'relaxed-i32' | 'baseline';
/** A build, with '-wide' if matrix products use tiles of 8 tokens instead of 4. */
export type Variant = Build | `${Build}-wide`;
const builds: readonly Build[] = ['relaxed-i16', 'relaxed-i32', 'baseline'];
export const variants: readonly Variant[] = builds.flatMap((build) => [build, `${build}-wide`] as const);

/** Exports of a kernel module. */
export interface KernelExports {
  /** Kernels and size functions. */
  readonly [name: string]: (...values: number[]) => number | undefined;
}

export interface KernelModule {
  readonly variant: Variant;
  readonly wide: boolean;
  readonly module: WebAssembly.Module;
  /** Table indices of kernels by name. */
  readonly indices: ReadonlyMap<string, number>;
}

/** (func (drop (i8x16.relaxed_swizzle (v128.const 0) (v128.const 0)))): valid only with relaxed SIMD. */
const RELAXED_PROBE = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0, 10, 16, 1, 14, 0, 65, 0, 253, 15, 65, 0, 253, 15, 253,
  128, 2, 26, 11,
]);

const modules = new Map<Build, Promise<KernelModule>>();

/** True if this engine has relaxed SIMD; switches it on where that needs a flag. @throws {StartError} without WebAssembly */
export function relaxedSimd(): boolean {
  if (typeof WebAssembly === 'undefined') throw startError(new ReferenceError('WebAssembly is not defined'));
  if (WebAssembly.validate(RELAXED_PROBE)) return true;
  enableRelaxedSimd();
  return WebAssembly.validate(RELAXED_PROBE);
}

/** @throws {OptionError} for an unknown variant, or one that this engine cannot run; {StartError} if none compiles */
export async function kernelModule(variant: string): Promise<KernelModule> {
  if (!variants.includes(variant as Variant)) throw new OptionError('variant', variant, variants.join(', '));
  const wide = variant.endsWith('-wide');
  const build = variant.replace('-wide', '') as Build;
  if (build !== 'baseline' && !relaxedSimd())
    throw new OptionError('variant', variant, 'baseline, because this engine has no relaxed SIMD');
  let compiled = modules.get(build);
  if (!compiled) {
    compiled = compile(build);
    modules.set(build, compiled);
    // a chunk that could not be fetched may be available the next time
    compiled.catch(() => modules.delete(build));
  }
  return { ...(await compiled), variant: variant as Variant, wide };
}

async function compile(variant: Build): Promise<KernelModule> {
  const module = await compiledModule(variant);
  const names = WebAssembly.Module.exports(module)
    .filter(({ kind }) => kind === 'function')
    .map(({ name }) => name);
  const kernels = { variant, wide: false, module, indices: new Map(names.map((name, i) => [name, i + 1])) };
  if (!sound(kernels))
    throw new OptionError('variant', variant, 'another one, because this engine computes its products wrongly');
  return kernels;
}

/** @throws {StartError} */
async function compiledModule(variant: Build): Promise<WebAssembly.Module> {
  try {
    // deflated base64 is a third of the module's size, and half of compressed plain base64
    const deflated = Uint8Array.from(atob(await moduleText(variant)), (character) => character.charCodeAt(0));
    return await WebAssembly.compile(await inflate(deflated));
  } catch (error) {
    throw startError(error);
  }
}

/** Test vectors: products of each sign, added to sums. */
function sound(kernels: KernelModule): boolean {
  const memory = new WebAssembly.Memory({ initial: 2, maximum: 2, shared: true });
  const { sound: add } = instantiate(kernels, memory);
  const at = CONTROL;
  new Int8Array(memory.buffer, at, 16).fill(-100);
  new Int8Array(memory.buffer, at + 16, 16).fill(90);
  const wide = kernels.variant === 'relaxed-i32';
  if (wide) new Int32Array(memory.buffer, at + 32, 4).fill(5);
  else new Int16Array(memory.buffer, at + 32, 8).fill(5);
  add!(at);
  const expected = -100 * 90 * 4 + (wide ? 5 : 10);
  return new Int32Array(memory.buffer, at + 48, 4).every((sum) => sum === expected);
}

/** Base64 of the deflated module. Only the chosen variant is fetched where modules are separate files. */
async function moduleText(variant: Build): Promise<string> {
  if (variant === 'relaxed-i16') return (await import('./built/relaxedI16.ts')).module;
  if (variant === 'relaxed-i32') return (await import('./built/relaxedI32.ts')).module;
  return (await import('./built/baseline.ts')).module;
}

/** Creates the instance of thread 0. Workers create theirs in the same way (workerSource.ts). */
export function instantiate({ module, indices }: KernelModule, memory: WebAssembly.Memory): KernelExports {
  const table = new WebAssembly.Table({ element: 'anyfunc', initial: indices.size + 1 });
  const now = () => performance.now() / 1000;
  const instance = new WebAssembly.Instance(module, { env: { memory, table, now } });
  const exports = instance.exports as unknown as KernelExports;
  for (const [name, index] of indices) table.set(index, exports[name]!);
  return exports;
}
