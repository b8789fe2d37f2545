/** Compiles parts of the kernels and checks which variants this engine can run. */
import { inflate } from '#leaf/backends/wasm/inflate';
import { enableRelaxedSimd } from '#leaf/backends/wasm/threads';
import { OptionError } from '../../core/errors.ts';
import { kernelParts } from './built/catalog.ts';
import { CONTROL } from './control.ts';
import { instantiate } from './instantiate.ts';
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

/** Part of a build: a module with the kernels of one folder. */
export type KernelPart = keyof (typeof kernelParts)['baseline'];
export const allParts = Object.keys(kernelParts.baseline) as readonly KernelPart[];

/** Modules of one variant that share a memory and a table. */
export interface KernelModules {
  readonly variant: Variant;
  readonly wide: boolean;
  readonly modules: readonly WebAssembly.Module[];
  /** Table indices of kernels by name. */
  readonly indices: ReadonlyMap<string, number>;
}

/** (func (drop (i8x16.relaxed_swizzle (v128.const 0) (v128.const 0)))): valid only with relaxed SIMD. */
const RELAXED_PROBE = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0, 10, 16, 1, 14, 0, 65, 0, 253, 15, 65, 0, 253, 15, 253,
  128, 2, 26, 11,
]);

const compiled = new Map<string, Promise<WebAssembly.Module>>();

/** True if this engine has relaxed SIMD; switches it on where that needs a flag. @throws {StartError} without WebAssembly */
export function relaxedSimd(): boolean {
  if (typeof WebAssembly === 'undefined') throw startError(new ReferenceError('WebAssembly is not defined'));
  if (WebAssembly.validate(RELAXED_PROBE)) return true;
  enableRelaxedSimd();
  return WebAssembly.validate(RELAXED_PROBE);
}

/**
 * Compiles parts of a variant, each once. 'core' is always one of them.
 * @throws {OptionError} for an unknown variant, or one that this engine cannot run; {StartError} if a part does not compile
 */
export async function kernelModules(variant: string, parts: Iterable<KernelPart>): Promise<KernelModules> {
  if (!isVariant(variant)) throw new OptionError('variant', variant, variants.join(', '));
  const wide = variant.endsWith('-wide');
  const build = variant.replace('-wide', '') as Build;
  if (build !== 'baseline' && !relaxedSimd())
    throw new OptionError('variant', variant, 'baseline, because this engine has no relaxed SIMD');
  const modules = await Promise.all(
    [...new Set<KernelPart>(['core', ...parts])].map((part) => compiledPart(build, part)),
  );
  const names = modules.flatMap((module) =>
    WebAssembly.Module.exports(module).filter(({ kind }) => kind === 'function'),
  );
  return { variant, wide, modules, indices: new Map(names.map(({ name }, i) => [name, i + 1])) };
}

const isVariant = (name: string): name is Variant => variants.some((variant) => variant === name);

function compiledPart(build: Build, part: KernelPart): Promise<WebAssembly.Module> {
  const key = `${build} ${part}`;
  let module = compiled.get(key);
  if (!module) {
    module = compile(build, part);
    compiled.set(key, module);
    // a chunk that could not be fetched may be available the next time
    module.catch(() => compiled.delete(key));
  }
  return module;
}

async function compile(build: Build, part: KernelPart): Promise<WebAssembly.Module> {
  const module = await compiledModule(build, part);
  if (part === 'core' && !sound(build, module))
    throw new OptionError('variant', build, 'another one, because this engine computes its products wrongly');
  return module;
}

/** Only the modules of the chosen build are fetched where they are separate files. @throws {StartError} */
async function compiledModule(build: Build, part: KernelPart): Promise<WebAssembly.Module> {
  try {
    const { module } = await kernelParts[fileNames[build]][part]();
    // deflated base64 is a third of the module's size, and half of compressed plain base64
    const deflated = Uint8Array.from(atob(module), (character) => character.charCodeAt(0));
    return await WebAssembly.compile(await inflate(deflated));
  } catch (error) {
    throw startError(error);
  }
}

const fileNames = { 'relaxed-i16': 'relaxedI16', 'relaxed-i32': 'relaxedI32', baseline: 'baseline' } as const;

/** Test vectors: products of each sign, added to sums. */
function sound(build: Build, core: WebAssembly.Module): boolean {
  const memory = new WebAssembly.Memory({ initial: 2, maximum: 2, shared: true });
  const { sound: add } = instantiate({ modules: [core], indices: new Map() }, memory);
  const at = CONTROL;
  new Int8Array(memory.buffer, at, 16).fill(-100);
  new Int8Array(memory.buffer, at + 16, 16).fill(90);
  const wide = build === 'relaxed-i32';
  if (wide) new Int32Array(memory.buffer, at + 32, 4).fill(5);
  else new Int16Array(memory.buffer, at + 32, 8).fill(5);
  add(at);
  const expected = -100 * 90 * 4 + (wide ? 5 : 10);
  return new Int32Array(memory.buffer, at + 48, 4).every((sum) => sum === expected);
}
