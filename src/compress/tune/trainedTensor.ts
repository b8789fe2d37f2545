/** Tensors that are trained within their format: vectors, the scales of blocks, or the weights behind the integers. */
import type { BlockFormat } from '../../tensor/blockFormat.ts';
import type { GridFormat } from '../matrix/gridBlocks.ts';
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
    for (const [i, part] of this.#scales.gradients(gradient).entries()) this.#optimizers[i].update(part, rate);
  }

  bytes(): Uint8Array {
    return this.#scales.bytes();
  }
}
