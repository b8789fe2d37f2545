/** The type of lowerings, which turn a node into commands. Each file in ops/ has the lowerings of its ops. */
import type { Value, WeightAttributes } from '../../graph/graph.ts';
import type { Emitter, Region } from './emitter.ts';
import type { KernelExports } from './module.ts';
import type { ActivationForm, PackedFormat } from './weights.ts';

/** Function that is applied to a vector's elements. Functions with the same name do the same. */
export interface VectorChange {
  readonly name: string;
  apply(values: Float32Array): Float32Array;
}

/** Weights of the program. Memory is assigned first and filled later. */
export interface PlacedWeights {
  /** Adds a matrix, packed for its kernels. */
  matrix(weight: Value<WeightAttributes>): { readonly region: Region; readonly format: PackedFormat };
  /** Adds a vector as f32. `change` is applied to its elements after reading. */
  vector(weight: Value<WeightAttributes>, change?: VectorChange): Region;
  /** Adds constants of the program. */
  constant(values: Float32Array, label: string): Region;
}

/** Adds a weight or state that steps may change: packed in groups of 8 rows, or in row order. */
export interface KeptTensor {
  readonly region: Region;
  readonly packed: boolean;
}

/** Addresses of the step's parameters. */
export interface StepInputs {
  /** i32 ids, [T]. */
  readonly tokens: Region;
  /** i32 positions of the tokens, [T]. */
  readonly positions: Region;
  /** u32 addresses of the pages in which the tokens' keys and values go, [T]. */
  readonly pages: Region;
  /** i32 indices of the selected rows, [R]. */
  readonly selected: Region;
}

export interface LoweringContext {
  readonly emitter: Emitter;
  readonly weights: PlacedWeights;
  readonly inputs: StepInputs;
  /** Size functions of the kernels, e.g. bytes of scratch. */
  readonly exports: KernelExports;
  /** Memory of an F32 weight or state. */
  kept(node: Value): KeptTensor;
  /** Memory for an input node's values. */
  given(node: Value): Region;
  /** Results that several commands share, by name. */
  derived<T>(name: string, make: () => T): T;
  /** Quantizes a value for matrix products, once for all its readers. */
  quantized(value: Value, form: Exclude<ActivationForm, 'floats'>): { readonly codes: Region; readonly scales: Region };
  /** Placeholder for a layer's part of the cache. Each step has its own address. */
  cacheRegion(layer: number): Region;
  /** Elements per position of the keys of all previous layers. */
  cacheElementsBefore(layer: number): number;
  /** Placeholder for a layer's recurrent state. Each sequence of a step has its own address. */
  stateRegion(layer: number): Region;
  /** Elements of the recurrent states of all previous layers. */
  stateOffset(layer: number): number;
}

export type Lowering<A = never> = (node: Value<A>, context: LoweringContext) => void;
