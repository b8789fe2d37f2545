/**
 * Collects the commands of a program while the graph is walked: the memory of values, what each command reads and writes,
 * and how work is split among threads. Addresses are assigned at the end, when all lifetimes are known.
 */

import { UnsupportedError } from '../../core/errors.ts';
import type { Value } from '../../graph/graph.ts';
import type { KernelModules } from './module.ts';

/** A piece of memory. Its address is assigned when the program is laid out. */
export interface Region {
  readonly bytes: number;
  readonly label: string;
  /** 'temporary' regions share memory if their lifetimes do not overlap. */
  readonly kind: 'temporary' | 'fixed';
  address: number;
}

/** An argument of a kernel: an integer, a float, an address, another kernel. */
export type Argument =
  | number
  | { readonly float: number }
  | Region
  | { readonly region: Region; readonly offset: number }
  | { readonly kernel: string }
  | 'scratch'
  | 'scratchStride';

export interface Command {
  readonly kernel: string;
  readonly label: string;
  readonly values: readonly Argument[];
  readonly reads: readonly Region[];
  readonly writes: readonly Region[];
  /** Commands with equal `split` assign the same elements to each thread, so they need no barrier between them. */
  readonly split: string | undefined;
  /** Layer whose keys, values or states the command stores, so that steps without outputs run it too. */
  readonly stores: number | undefined;
}

export class Emitter {
  readonly commands: Command[] = [];
  readonly maxTokens: number;
  readonly maxRows: number;
  readonly context: number;
  /** Scratch memory per thread in bytes. */
  scratchBytes = 0;
  readonly #kernels: KernelModules;
  readonly #regions = new Map<Value, Region>();
  readonly #consumers = new Map<Value, Value[]>();
  readonly #kept: ReadonlySet<Value>;

  constructor(
    kernels: KernelModules,
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

  /** Returns the region of a value, created on first use. */
  region(value: Value): Region {
    let region = this.#regions.get(value);
    if (!region) {
      region = this.temporary(this.rowsOf(value) * value.shape[1] * 4, value.label);
      this.#regions.set(value, region);
    }
    return region;
  }

  /** Lets a value share the region of another one. */
  alias(value: Value, region: Region): void {
    this.#regions.set(value, region);
  }

  /** True if no other value shares the region of this one. */
  isAlone(value: Value): boolean {
    const own = this.region(value);
    return [...this.#regions].every(([other, region]) => region !== own || other === value);
  }

  has(value: Value): boolean {
    return this.#regions.has(value);
  }

  temporary(bytes: number, label: string): Region {
    // kernels may access a whole vector at the end
    return { bytes: bytes + 64, label, kind: 'temporary', address: 0 };
  }

  fixed(bytes: number, label: string): Region {
    return { bytes: bytes + 64, label, kind: 'fixed', address: 0 };
  }

  /** Encodes the number of rows of a value: 0 for register T, 1 for R, −n for n rows. */
  rowsKind(value: Value): number {
    const rows = value.shape[0];
    return rows === 'T' ? 0 : rows === 'R' ? 1 : -rows;
  }

  /** Maximum tokens per sequence in a step without a cache. */
  get longestSequence(): number {
    return Math.min(this.maxTokens, this.context);
  }

  /** Maximum number of rows of a value. */
  rowsOf(value: Value): number {
    const rows = value.shape[0];
    return rows === 'T' ? this.maxTokens : rows === 'R' ? this.maxRows : rows;
  }

  /** Readers of a value. Undefined for an output, which is also read from outside. */
  consumers(value: Value): readonly Value[] | undefined {
    return this.#kept.has(value) ? undefined : (this.#consumers.get(value) ?? []);
  }

  /** The only reader of a value. Undefined if it has several, or is an output. */
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
    stores?: number;
  }): void {
    if (!this.hasKernel(command.kernel))
      throw new UnsupportedError('kernel', command.kernel, [...this.#kernels.indices.keys()]);
    this.commands.push({ split: undefined, stores: undefined, ...command });
  }
}
