/**
 * Matrices in a WebAssembly memory of their own, and the arithmetic of the solver on them: the engine's kernels of the part
 * 'solving', run by the engine's threads.
 */
import { threadLimit } from '#leaf/backends/wasm/threads';
import { chosenKernels } from '../../backends/wasm/choose.ts';
import { COMMAND_BYTES, CONTROL, CONTROL_WORDS, FIRST_FREE, word } from '../../backends/wasm/control.ts';
import { instantiate } from '../../backends/wasm/instantiate.ts';
import type { KernelExports, KernelModules } from '../../backends/wasm/module.ts';
import { startWorkers, Team } from '../../backends/wasm/team.ts';
import { MemoryError } from '../../core/errors.ts';

/** Part of a matrix: the address of its first element, and the distance between rows in elements. */
export interface View {
  readonly at: number;
  readonly stride: number;
}

const PAGE = 65536;
/** Address space of wasm32. */
const MOST_PAGES = 65536;
/** Kernels may read a whole vector or panel behind the last element. */
const MARGIN = 256;

/** A workspace for one computation at a time. Its memory grows to the largest need. Addresses are in floats. */
export class Matrices {
  readonly #memory: WebAssembly.Memory;
  readonly #kernels: KernelModules;
  readonly #exports: KernelExports;
  readonly #team: Team;
  #floats: Float32Array;
  #end: number;

  private constructor(memory: WebAssembly.Memory, kernels: KernelModules, threads: number) {
    this.#memory = memory;
    this.#kernels = kernels;
    this.#exports = instantiate(kernels, memory);
    this.#team = new Team(this.#exports, memory, startWorkers(Promise.resolve(kernels), memory, threads));
    this.#floats = new Float32Array(memory.buffer);
    this.#end = 0;
    this.clear();
  }

  /** @param threads number of threads. Default: all */
  static async create(threads?: number): Promise<Matrices> {
    const kernels = await chosenKernels(undefined, ['training', 'solving']);
    const memory = new WebAssembly.Memory({ initial: 2, maximum: MOST_PAGES, shared: true });
    const { most } = threadLimit();
    const matrices = new Matrices(memory, kernels, Math.max(1, Math.min(threads ?? most, most)));
    await matrices.#team.complete();
    return matrices;
  }

  /** Ends the threads and releases the memory. Nothing may run afterwards. */
  dispose(): void {
    this.#floats = new Float32Array();
    void this.#team.stop();
  }

  /** All elements, by address. Growing the memory, as `allocate` may do, replaces it by a longer one. */
  get floats(): Float32Array {
    return this.#floats;
  }

  /** The memory's bytes from an address on. */
  bytes(at: number, count: number): Uint8Array {
    return new Uint8Array(this.#memory.buffer, 4 * at, count);
  }

  /** The memory's bytes as integers from an address on. */
  integers(at: number, count: number): Int32Array {
    return new Int32Array(this.#memory.buffer, 4 * at, count);
  }

  /** Releases everything that was allocated. */
  clear(): void {
    this.#end = (FIRST_FREE + COMMAND_BYTES) / 4;
  }

  /** Returns a mark of what is allocated, for `release`. */
  mark(): number {
    return this.#end;
  }

  /** Releases what was allocated after the mark. */
  release(mark: number): void {
    this.#end = mark;
  }

  /** Returns the address of `count` floats with arbitrary values. @throws {MemoryError} */
  allocate(count: number): number {
    const at = this.#end;
    this.#end += Math.ceil(count / 16) * 16;
    const missing = (this.#end + MARGIN) * 4 - this.#memory.buffer.byteLength;
    if (missing > 0) {
      try {
        this.#memory.grow(Math.ceil(missing / PAGE));
      } catch {
        throw new MemoryError('solving for a tensor', this.#end * 4, this.#memory.buffer.byteLength);
      }
      this.#floats = new Float32Array(this.#memory.buffer);
    }
    return at;
  }

  /** c ← c − a·b. a [rows, depth], b [depth, columns] */
  subtractProduct(c: View, a: View, b: View, rows: number, depth: number, columns: number): void {
    if (rows === 0 || depth === 0 || columns === 0) return;
    const sizes = [4 * c.at, c.stride, 4 * a.at, a.stride, 4 * b.at, b.stride, rows, depth, columns];
    this.run('subtractProduct', sizes, this.size('subtractProductScratch'));
  }

  /** Packs a matrix [rows, columns] into panels of 8 columns, [columns / 8][rows][8]. */
  panels(at: number, rows: number, columns: number, to: number): void {
    this.run('panels', [-rows, 4 * at, 4 * to, columns, rows]);
  }

  /** Calls a size function of the kernels. */
  size(name: string, ...values: number[]): number {
    return Number(this.#exports[name](...values));
  }

  /**
   * Runs a kernel on all threads.
   * @param values its arguments: integers, and addresses in bytes
   * @param scratch bytes of scratch per thread; its address and size become the last arguments
   */
  run(kernel: string, values: readonly number[], scratch = 0): void {
    const mark = this.mark();
    const stride = Math.ceil(scratch / 64) * 64;
    const last = scratch > 0 ? [4 * this.allocate((stride / 4) * this.#team.threads), stride] : [];
    const control = new Int32Array(this.#memory.buffer, CONTROL, CONTROL_WORDS);
    control[word.wide] = 0;
    const words = new Int32Array(this.#memory.buffer, FIRST_FREE, COMMAND_BYTES / 4).fill(0);
    words.set([this.#kernels.indices.get(kernel)!, 1, ...values, ...last]);
    this.#team.run(FIRST_FREE);
    this.release(mark);
  }
}
