/**
 * Collects the commands of a program while the graph is walked: where values live, what each command reads and writes,
 * which threads must wait for which. Addresses come last, when every lifetime is known.
 */

import { UnsupportedError } from '../../core/errors.ts';
import type { Value } from '../../graph/graph.ts';
import type { KernelModule } from './module.ts';

/** A piece of memory whose address is known once the program is laid out. */
export interface Region {
  readonly bytes: number;
  readonly label: string;
  /** 'temporary' ones share memory when their lifetimes allow. */
  readonly kind: 'temporary' | 'fixed';
  address: number;
}

/** An argument of a kernel: an integer, a float, an address. */
export type Argument =
  | number
  | { readonly float: number }
  | Region
  | { readonly region: Region; readonly offset: number }
  | 'scratch'
  | 'scratchStride';

export interface Command {
  readonly kernel: string;
  readonly label: string;
  readonly values: readonly Argument[];
  readonly reads: readonly Region[];
  readonly writes: readonly Region[];
  /** Commands of equal split give each thread the same elements, so that they need no barrier between them. */
  readonly split: string | undefined;
  /** It fills the cache, so that steps without outputs run it too. */
  readonly storesCache: boolean;
}

export class Emitter {
  readonly commands: Command[] = [];
  readonly maxTokens: number;
  readonly maxRows: number;
  readonly context: number;
  /** Bytes of scratch that each thread needs. */
  scratchBytes = 0;
  readonly #kernels: KernelModule;
  readonly #regions = new Map<Value, Region>();
  readonly #consumers = new Map<Value, Value[]>();
  readonly #kept: ReadonlySet<Value>;

  constructor(
    kernels: KernelModule,
    nodes: readonly Value[],
    outputs: ReadonlySet<Value>,
    limits: { maxTokens: number; maxRows: number; context: number },
  ) {
    this.#kernels = kernels;
    this.#kept = outputs;
    this.maxTokens = limits.maxTokens;
    this.maxRows = limits.maxRows;
    this.context = limits.context;
    for (const node of nodes)
      for (const input of node.inputs) this.#consumers.set(input, [...(this.#consumers.get(input) ?? []), node]);
  }

  /** Where a value lives; made on first use. */
  region(value: Value): Region {
    let region = this.#regions.get(value);
    if (!region) {
      region = this.temporary(this.rowsOf(value) * value.shape[1] * 4, value.label);
      this.#regions.set(value, region);
    }
    return region;
  }

  /** Lets a value live where another does. */
  alias(value: Value, region: Region): void {
    this.#regions.set(value, region);
  }

  /** Whether no other value lives where this one does. */
  isAlone(value: Value): boolean {
    const own = this.region(value);
    return [...this.#regions].every(([other, region]) => region !== own || other === value);
  }

  has(value: Value): boolean {
    return this.#regions.has(value);
  }

  temporary(bytes: number, label: string): Region {
    // kernels may touch whole vectors at the end
    return { bytes: bytes + 64, label, kind: 'temporary', address: 0 };
  }

  fixed(bytes: number, label: string): Region {
    return { bytes: bytes + 64, label, kind: 'fixed', address: 0 };
  }

  /** What says how many rows a value has: 0 for register T, 1 for R, −n for n rows. */
  rowsKind(value: Value): number {
    const rows = value.shape[0];
    return rows === 'T' ? 0 : rows === 'R' ? 1 : -rows;
  }

  /** Tokens of a sequence of a step without a cache, at most. */
  get longestSequence(): number {
    return Math.min(this.maxTokens, this.context);
  }

  /** How many rows a value has at most. */
  rowsOf(value: Value): number {
    const rows = value.shape[0];
    return rows === 'T' ? this.maxTokens : rows === 'R' ? this.maxRows : rows;
  }

  /** All readers of a value; undefined for an output, which is read from outside too. */
  consumers(value: Value): readonly Value[] | undefined {
    return this.#kept.has(value) ? undefined : (this.#consumers.get(value) ?? []);
  }

  /** The only reader of a value, unless it is an output too. */
  soleConsumer(value: Value): Value | undefined {
    const consumers = this.consumers(value);
    return consumers?.length === 1 ? consumers[0] : undefined;
  }

  needScratch(bytes: number): void {
    this.scratchBytes = Math.max(this.scratchBytes, bytes);
  }

  hasKernel(name: string): boolean {
    return this.#kernels.indices.has(name);
  }

  emit(command: {
    kernel: string;
    label: string;
    values: readonly Argument[];
    reads: readonly Region[];
    writes: readonly Region[];
    split?: string;
    storesCache?: boolean;
  }): void {
    if (!this.hasKernel(command.kernel))
      throw new UnsupportedError('kernel', command.kernel, [...this.#kernels.indices.keys()]);
    this.commands.push({ split: undefined, storesCache: false, ...command });
  }
}
