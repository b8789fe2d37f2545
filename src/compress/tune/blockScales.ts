/**
 * The half floats of a quantized tensor's blocks as parameters: with the integers frozen, the elements are linear in them.
 *
 *     x[i] = Σ half[k] · basis[k][i]      k: scale, minimum
 */
import { floatToHalf, halfToFloat } from '../../core/half.ts';
import type { GridFormat } from '../matrix/gridBlocks.ts';

export class BlockScales {
  readonly format: GridFormat;
  /** The tensor's bytes as they were read. */
  readonly #bytes: Uint8Array;
  /** Elements with one half set to 1 and the others to 0, per half. */
  readonly basis: readonly Float32Array[];
  /** Values of the halves, [halves][blocks]. */
  readonly values: readonly Float32Array[];

  constructor(format: GridFormat, bytes: Uint8Array) {
    this.format = format;
    this.#bytes = bytes;
    const { blockBytes, blockSize, grid } = format;
    const blocks = bytes.length / blockBytes;
    this.values = grid.halves.map((at) =>
      Float32Array.from({ length: blocks }, (_, block) => halfAt(bytes, block * blockBytes + at)),
    );
    this.basis = grid.halves.map((one) => {
      const copy = bytes.slice();
      for (let block = 0; block < blocks; block++)
        for (const at of grid.halves) setHalf(copy, block * blockBytes + at, at === one ? 1 : 0);
      const elements = new Float32Array(blocks * blockSize);
      format.decode(copy, 0, elements, 0, blocks);
      return elements;
    });
  }

  /** The elements for the current values. */
  elements(): Float32Array {
    const { blockSize } = this.format;
    const result = new Float32Array(this.basis[0].length);
    for (const [k, basis] of this.basis.entries())
      for (let i = 0; i < result.length; i++) result[i] += this.values[k][Math.floor(i / blockSize)] * basis[i];
    return result;
  }

  /** Gradients of the values from the gradient of the elements. */
  gradients(ofElements: Float32Array): Float32Array[] {
    const { blockSize } = this.format;
    return this.basis.map((basis) => {
      const sums = new Float32Array(basis.length / blockSize);
      for (let block = 0; block < sums.length; block++) {
        let sum = 0;
        for (let i = block * blockSize; i < (block + 1) * blockSize; i++) sum += ofElements[i] * basis[i];
        sums[block] = sum;
      }
      return sums;
    });
  }

  /** The tensor's bytes with the current values, rounded to half floats. */
  bytes(): Uint8Array {
    const { blockBytes, grid } = this.format;
    const bytes = this.#bytes.slice();
    for (const [k, at] of grid.halves.entries())
      for (const [block, value] of this.values[k].entries()) setHalf(bytes, block * blockBytes + at, value);
    return bytes;
  }
}

function halfAt(bytes: Uint8Array, at: number): number {
  return halfToFloat(bytes[at] | (bytes[at + 1] << 8));
}

function setHalf(bytes: Uint8Array, at: number, value: number): void {
  const half = floatToHalf(value);
  bytes[at] = half;
  bytes[at + 1] = half >> 8;
}
