/** What kernels could reach on this device at most: memory read and products added by kernels that do nothing else. */
import { threadLimit } from '#leaf/backends/wasm/threads';
import type { BlockFormat } from '../../tensor/blockFormat.ts';
import { Arena } from './arena.ts';
import { chosenKernels } from './choose.ts';
import { COMMAND_BYTES, FIRST_FREE } from './control.ts';
import { instantiate, type KernelExports, type KernelModule, kernelModule } from './module.ts';
import { startWorkers, Team } from './team.ts';
import { type ActivationForm, GROUP, type PackedFormat, packedFormat } from './weights.ts';

/** What products are made of: as the activations they take. */
export type Arithmetic = 'int8' | 'int16' | 'floats';

const arithmeticOf: Readonly<Record<ActivationForm, Arithmetic>> = {
  int8: 'int8',
  int8Parts: 'int8',
  int16: 'int16',
  floats: 'floats',
};

/** Multiply-adds of a vector. */
const lanes: Readonly<Record<Arithmetic, number>> = { int8: 16, int16: 8, floats: 4 };

/** As kernels/probe.ts takes them: a pass over the operands is 8 products of vectors for every 32 bytes. */
const OPERAND_BYTES = 4096;
const PASS_PRODUCTS = (OPERAND_BYTES / 32) * 8;
/** Of a measurement: a millisecond or a few, which a busy device leaves undisturbed now and then. */
const PASSES = 6000;
/** What operands and memory are filled with: as f32 as ordinary as it is as int8. */
const FILL = 63;
/** Of WebAssembly memory. */
const PAGE = 65536;

export interface ProbeOptions {
  /** Default: the fastest that runs here. */
  readonly variant?: string;
  /** Default: all there are. */
  readonly threads?: number;
  /** Memory to read: more than the caches hold. */
  readonly bytes: number;
}

export class Probe {
  readonly variant: string;
  readonly #kernels: KernelModule;
  readonly #exports: KernelExports;
  readonly #memory: WebAssembly.Memory;
  readonly #team: Team;
  readonly #command: number;
  readonly #data: number;
  readonly #bytes: number;
  readonly #results: number;

  /** Waits until all threads take part. @throws {OptionError} for a variant that does not run here; {MemoryError} */
  static async start({ variant, threads = threadLimit().most, bytes }: ProbeOptions): Promise<Probe> {
    const kernels = await (variant === undefined ? chosenKernels(undefined) : kernelModule(variant));
    const probe = new Probe(kernels, Math.max(1, Math.min(threads, threadLimit().most)), bytes);
    await probe.#team.complete();
    return probe;
  }

  private constructor(kernels: KernelModule, threads: number, bytes: number) {
    this.variant = kernels.variant;
    this.#kernels = kernels;
    this.#bytes = Math.ceil(bytes / OPERAND_BYTES) * OPERAND_BYTES;
    // beside them a command and results, in a page
    const pages = Math.ceil((FIRST_FREE + this.#bytes) / PAGE) + 1;
    this.#memory = new WebAssembly.Memory({ initial: 2, maximum: pages, shared: true });
    this.#exports = instantiate(kernels, this.#memory);
    const arena = new Arena(this.#memory, FIRST_FREE);
    this.#command = arena.allocate(COMMAND_BYTES, 'a command');
    this.#results = arena.allocate(128 * threads, 'results');
    this.#data = arena.allocate(this.#bytes, 'memory to read');
    // pages that were never written are one page of zeros
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

  /** Adds products up, with all threads. @returns multiply-adds per second */
  addProducts(arithmetic: Arithmetic): number {
    const products = PASSES * PASS_PRODUCTS * lanes[arithmetic] * this.threads;
    return products / this.#seconds(`peak_${arithmetic}`, [this.#data, PASSES, this.#results]);
  }

  /** What the kernels make of a format. @throws {UnsupportedError} for one without kernels */
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

  /** Ends its threads; it cannot be used afterwards. */
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
