/** Measures the peaks of this device: memory bandwidth and multiply-adds, with kernels that do nothing else. */
import { threadLimit } from '#leaf/backends/wasm/threads';
import type { BlockFormat } from '../../tensor/blockFormat.ts';
import { Arena } from './arena.ts';
import { chosenKernels } from './choose.ts';
import { COMMAND_BYTES, FIRST_FREE } from './control.ts';
import { instantiate } from './instantiate.ts';
import { allParts, type KernelExports, type KernelModules, kernelModules } from './module.ts';
import { startWorkers, Team } from './team.ts';
import { type ActivationForm, GROUP, type PackedFormat, packedFormat } from './weights.ts';

/** Kinds of arithmetic, named after the type of activations. */
export type Arithmetic = 'int8' | 'int16' | 'floats';

const arithmeticOf: Readonly<Record<ActivationForm, Arithmetic>> = {
  int8: 'int8',
  int8Parts: 'int8',
  int16: 'int16',
  floats: 'floats',
};

/** Multiply-adds per vector. */
const lanes: Readonly<Record<Arithmetic, number>> = { int8: 16, int16: 8, floats: 4 };

/** Size of the operands of kernels/probing/peaks.ts. A pass over them is 8 vector products per 32 bytes. */
const OPERAND_BYTES = 4096;
const PASS_PRODUCTS = (OPERAND_BYTES / 32) * 8;
/** Passes of a measurement: a few milliseconds, so that some measurements are undisturbed even on a busy device. */
const PASSES = 6000;
/** Byte that fills operands and memory: an ordinary value both as f32 and as int8. */
const FILL = 63;
/** Size of a WebAssembly page. */
const PAGE = 65536;

export interface ProbeOptions {
  /** Kernel variant. Default: the fastest on this device. */
  readonly variant?: string;
  /** Number of threads. Default: all. */
  readonly threads?: number;
  /** Bytes of memory to read. Must exceed the caches. */
  readonly bytes: number;
}

export class Probe {
  readonly variant: string;
  readonly #kernels: KernelModules;
  readonly #exports: KernelExports;
  readonly #memory: WebAssembly.Memory;
  readonly #team: Team;
  readonly #command: number;
  readonly #data: number;
  readonly #bytes: number;
  readonly #results: number;

  /** Starts a probe and waits for all threads. @throws {OptionError} if the variant does not run on this device @throws {MemoryError} */
  static async start({ variant, threads = threadLimit().most, bytes }: ProbeOptions): Promise<Probe> {
    const kernels = await (variant === undefined
      ? chosenKernels(undefined, allParts)
      : kernelModules(variant, allParts));
    const probe = new Probe(kernels, Math.max(1, Math.min(threads, threadLimit().most)), bytes);
    await probe.#team.complete();
    return probe;
  }

  private constructor(kernels: KernelModules, threads: number, bytes: number) {
    this.variant = kernels.variant;
    this.#kernels = kernels;
    this.#bytes = Math.ceil(bytes / OPERAND_BYTES) * OPERAND_BYTES;
    // plus one page for a command and its results
    const pages = Math.ceil((FIRST_FREE + this.#bytes) / PAGE) + 1;
    this.#memory = new WebAssembly.Memory({ initial: 2, maximum: pages, shared: true });
    this.#exports = instantiate(kernels, this.#memory);
    const arena = new Arena(this.#memory, FIRST_FREE);
    this.#command = arena.allocate(COMMAND_BYTES, 'a command');
    this.#results = arena.allocate(128 * threads, 'results');
    this.#data = arena.allocate(this.#bytes, 'memory to read');
    // pages that were never written would share one page of zeros
    new Uint8Array(this.#memory.buffer, this.#data, this.#bytes).fill(FILL);
    const workers = startWorkers(Promise.resolve(kernels), this.#memory, threads);
    this.#team = new Team(this.#exports, this.#memory, workers);
  }

  get threads(): number {
    return this.#team.threads;
  }

  /** Reads the memory once, with all threads. @returns bytes per second */
  readMemory(): number {
    return this.#bytes / this.#seconds('readMemory', [this.#data, this.#bytes, this.#results]);
  }

  /** Measures peak multiply-adds per second with a dependency-free loop on all threads. */
  addProducts(arithmetic: Arithmetic): number {
    const products = PASSES * PASS_PRODUCTS * lanes[arithmetic] * this.threads;
    return products / this.#seconds(`peak_${arithmetic}`, [this.#data, PASSES, this.#results]);
  }

  /** Returns the kernel properties of a format. @throws {UnsupportedError} if it has no kernels */
  kernelsOf(format: BlockFormat): {
    readonly arithmetic: Arithmetic;
    packedBytes(rows: number, columns: number): number;
  } {
    const { activations, groupBytes }: PackedFormat = packedFormat(format, this.#kernels, this.#exports);
    return {
      arithmetic: arithmeticOf[activations],
      packedBytes: (rows, columns) => Math.ceil(rows / GROUP) * groupBytes(columns),
    };
  }

  /** Ends the threads. The probe cannot be used afterwards. */
  dispose(): void {
    void this.#team.stop();
  }

  #seconds(kernel: string, values: readonly number[]): number {
    const words = new Uint32Array(this.#memory.buffer, this.#command, COMMAND_BYTES / 4).fill(0);
    words.set([this.#kernels.indices.get(kernel)!, 1, ...values]);
    const began = performance.now();
    this.#team.run(this.#command);
    return (performance.now() - began) / 1000;
  }
}
