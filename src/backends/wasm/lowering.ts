/** How one op becomes commands; each op's file in ops/ gives one of these. */
import type { Value, WeightAttributes } from '../../graph/graph.ts';
import type { Emitter, Region } from './emitter.ts';
import type { KernelExports } from './module.ts';
import type { ActivationForm, PackedFormat } from './weights.ts';

/** The weights of the program, placed when their formats and sizes are known and filled afterwards. */
export interface PlacedWeights {
  /** A matrix, packed for its kernels. */
  matrix(weight: Value<WeightAttributes>): { readonly region: Region; readonly format: PackedFormat };
  /** A vector as f32, its elements changed by `change` after reading. */
  vector(weight: Value<WeightAttributes>, change?: (values: Float32Array) => Float32Array): Region;
  /** Numbers that the program carries itself. */
  constant(values: Float32Array, label: string): Region;
}

/** A weight or state, which steps may change: packed in groups of 8 rows, or in row order. */
export interface KeptTensor {
  readonly region: Region;
  readonly packed: boolean;
}

/** Where the step's own numbers lie. */
export interface StepInputs {
  /** i32 ids, [T]. */
  readonly tokens: Region;
  /** i32 positions of the tokens, [T]. */
  readonly positions: Region;
  /** u32 addresses of the pages in which the tokens' keys and values go, [T]. */
  readonly pages: Region;
  /** i32 indices of the wanted rows, [R]. */
  readonly selected: Region;
}

export interface LoweringContext {
  readonly emitter: Emitter;
  readonly weights: PlacedWeights;
  readonly inputs: StepInputs;
  /** What the kernels say about themselves: bytes of scratch. */
  readonly exports: KernelExports;
  /** An F32 weight as it was placed, or a state. */
  kept(node: Value): KeptTensor;
  /** Where a step's numbers for an input node go. */
  given(node: Value): Region;
  /** What is made of values once for all that take it, by a name of its own. */
  derived<T>(name: string, make: () => T): T;
  /** A value's integer form for products, made once for all that take it. */
  quantized(value: Value, form: Exclude<ActivationForm, 'floats'>): { readonly codes: Region; readonly scales: Region };
  /** Stands for a layer's part of the cache, whose address only the step knows. */
  cacheRegion(layer: number): Region;
  /** Elements per position, keys alone, of the cache's layers before this one. */
  cacheElementsBefore(layer: number): number;
}

export type Lowering<A = never> = (node: Value<A>, context: LoweringContext) => void;
