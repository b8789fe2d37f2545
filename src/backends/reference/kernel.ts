/** The type of reference kernels: plain loops, f32 values, f64 sums. */
import type { Registers, Value } from '../../graph/graph.ts';
import type { ReferencePage } from './pages.ts';

/** Values of the nodes in one step, [rows, width] in row order. */
export type Matrix = Float32Array | Int32Array;

/** A sequence that a step continues. */
export interface ReferenceSequence {
  /** Index of its first row in the step, and number of rows. */
  readonly first: number;
  readonly count: number;
  readonly position: number;
  readonly pages: readonly ReferencePage[];
  /** Recurrent state of a layer in a page, to read or to write. Undefined if the page has none. */
  state(page: number, layer: number): Float32Array | undefined;
}

export interface StepContext {
  readonly registers: Registers;
  readonly tokens: ArrayLike<number>;
  /** Positions by row. */
  readonly positions: ArrayLike<number>;
  readonly selected: ArrayLike<number>;
  /** Undefined in a batch, which has no cache. */
  readonly sequences: readonly ReferenceSequence[] | undefined;
  /** Values of a weight or state; may be changed in place. */
  kept(value: Value): Float32Array;
}

/** @param inputs values of the node's inputs @param output receives the result, [rows, width] */
export type ReferenceKernel<A = unknown> = (
  node: Value<A>,
  inputs: readonly Matrix[],
  output: Float32Array,
  step: StepContext,
) => void;
