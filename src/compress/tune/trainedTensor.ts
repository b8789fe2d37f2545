/** Tensors that are trained within their format: by their scales, or by weights behind the integers. */
import type { CheckpointTensor } from '../../formats/checkpoint.ts';
import type { BlockFormat } from '../../tensor/blockFormat.ts';
import { encodeRows } from '../encodeRows.ts';
import type { GridFormat } from '../matrix/gridBlocks.ts';
import type { Matrices } from '../matrix/matrices.ts';
import { BlockScales } from './blockScales.ts';
import { RelativeAdam } from './relativeAdam.ts';

export interface TrainedTensor {
  readonly name: string;
  readonly format: BlockFormat;
  /** The elements that the model computes with, of the current parameters. */
  elements(): Float32Array;
  /** Updates the parameters. @param gradient of the elements @param rate learning rate, relative to the parameters' size */
  update(gradient: Float32Array, rate: number): void;
  /** The tensor's bytes, with everything rounded as the format does. */
  bytes(): Uint8Array;
}

/** A vector in F32, e.g. the gains of a norm. */
export class TrainedVector implements TrainedTensor {
  readonly name: string;
  readonly format: BlockFormat;
  readonly #values: Float32Array;
  readonly #optimizer: RelativeAdam;

  /** @param format F32 */
  constructor(name: string, format: BlockFormat, values: Float32Array) {
    this.name = name;
    this.format = format;
    this.#values = values;
    this.#optimizer = new RelativeAdam(values, true);
  }

  elements(): Float32Array {
    return this.#values;
  }

  update(gradient: Float32Array, rate: number): void {
    this.#optimizer.update(gradient, rate);
  }

  bytes(): Uint8Array {
    return new Uint8Array(this.#values.slice().buffer);
  }
}

/** The scales of a quantized tensor, its integers being frozen. */
export class TrainedScales implements TrainedTensor {
  readonly name: string;
  readonly format: BlockFormat;
  readonly #scales: BlockScales;
  readonly #optimizers: readonly RelativeAdam[];

  /** @param bytes of the tensor */
  constructor(name: string, format: GridFormat, bytes: Uint8Array) {
    this.name = name;
    this.format = format;
    this.#scales = new BlockScales(format, bytes);
    this.#optimizers = this.#scales.values.map((values) => new RelativeAdam(values, false));
  }

  elements(): Float32Array {
    return this.#scales.elements();
  }

  update(gradient: Float32Array, rate: number): void {
    for (const [i, part] of this.#scales.gradients(gradient).entries()) this.#optimizers[i]!.update(part, rate);
  }

  bytes(): Uint8Array {
    return this.#scales.bytes();
  }
}

/** Distance of a weight from its rounded value at the start, in steps: a little more than half would round to another integer. */
const MOST_REST = 0.45;

/**
 * Quantization-aware training: weights in F32 that the model sees rounded to the format. The gradient of the rounded elements counts as
 * theirs (the straight-through estimator: Bengio et al. 2013).
 */
export class TrainedWeights implements TrainedTensor {
  readonly name: string;
  readonly #matrices: Matrices;
  readonly format: GridFormat;
  readonly #columns: number;
  readonly #weights: Float32Array;
  /** Each column counts as much as the others when scales are searched for. */
  readonly #importance: Float32Array;
  readonly #optimizer: RelativeAdam;

  /**
   * @param bytes of the quantized tensor @param original values before it was quantized: the weights start where they round to the
   *   tensor's integers, as near to the original as that allows
   */
  constructor(
    matrices: Matrices,
    { name, format, shape }: CheckpointTensor,
    bytes: Uint8Array,
    original: Float32Array | undefined,
  ) {
    this.name = name;
    this.#matrices = matrices;
    this.format = format as GridFormat;
    this.#columns = shape.at(-1)!;
    this.#importance = new Float32Array(this.#columns).fill(1);
    this.#weights = new Float32Array((bytes.length / format.blockBytes) * format.blockSize);
    format.decode(bytes, 0, this.#weights, 0, bytes.length / format.blockBytes);
    if (original?.length === this.#weights.length) moveTowards(this.#weights, original, this.format.grid.groupSize);
    this.#optimizer = new RelativeAdam(this.#weights, true);
  }

  elements(): Float32Array {
    const bytes = this.bytes();
    const elements = new Float32Array(this.#weights.length);
    this.format.decode(bytes, 0, elements, 0, bytes.length / this.format.blockBytes);
    return elements;
  }

  update(gradient: Float32Array, rate: number): void {
    this.#optimizer.update(gradient, rate);
  }

  bytes(): Uint8Array {
    return encodeRows(this.#matrices, this.#weights, this.#columns, this.format, this.#importance);
  }
}

/** Moves rounded weights towards their original values, within the step of their group. */
function moveTowards(weights: Float32Array, original: Float32Array, groupSize: number): void {
  for (let from = 0; from < weights.length; from += groupSize) {
    const most = MOST_REST * stepOf(weights.subarray(from, from + groupSize));
    for (let i = from; i < from + groupSize; i++)
      weights[i]! += Math.max(-most, Math.min(most, original[i]! - weights[i]!));
  }
}

/** The least distance between two different values of a group; 0 if all are equal. */
function stepOf(group: Float32Array): number {
  const sorted = group.slice().sort();
  let least = Number.POSITIVE_INFINITY;
  for (let i = 1; i < sorted.length; i++) {
    const distance = sorted[i]! - sorted[i - 1]!;
    if (distance > 1e-6 * Math.abs(sorted[i]!) && distance < least) least = distance;
  }
  return Number.isFinite(least) ? least : 0;
}
