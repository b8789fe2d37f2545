/** What a reference op computes: plain loops, f32 values, f64 sums. */
import type { Registers, Value } from '../../graph/graph.ts';
import type { ReferenceCache } from './cache.ts';

/** Values of the nodes in one step, [rows, width] in row order. */
export type Matrix = Float32Array | Int32Array;

export interface StepContext {
  readonly registers: Registers;
  readonly tokens: ArrayLike<number>;
  readonly selected: ArrayLike<number>;
  readonly cache: ReferenceCache | undefined;
  /** The numbers of a weight or state themselves, to be changed. */
  kept(value: Value): Float32Array;
}

/** @param inputs in the node's order @param output to fill, [rows, width] */
export type ReferenceKernel<A = unknown> = (
  node: Value<A>,
  inputs: readonly Matrix[],
  output: Float32Array,
  step: StepContext,
) => void;
