/** What a reference op computes: plain loops, f32 values, f64 sums. */
import type { Registers, Value } from '../../graph/graph.ts';
import type { ReferenceCache } from './cache.ts';

/** Values of the nodes in one step, [rows, width] in row order; ids are whole numbers in f64. */
export type Matrix = Float32Array;

export interface StepContext {
  readonly registers: Registers;
  readonly tokens: ArrayLike<number>;
  readonly selected: ArrayLike<number>;
  readonly cache: ReferenceCache;
}

/** @param inputs in the node's order @param output to fill, [rows, width] */
export type ReferenceKernel<A = unknown> = (
  node: Value<A>,
  inputs: readonly Matrix[],
  output: Matrix,
  step: StepContext,
) => void;
