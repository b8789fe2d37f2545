/**
 * Low planes of nested bits (models/nestedBits.ts): what a matrix in Q4_0 leaves of the original, in nibbles. The high plane is solved
 * first, with integers no farther from the weights than the low plane reaches. The low plane starts from rounding; coordinate descent then moves its
 * integers to where the error of the outputs is least, which also makes up for weights that are beyond its range.
 */
import { floatToHalf, halfToFloat } from '../core/half.ts';
import { lowStep } from '../models/nestedBits.ts';
import { readHalf } from '../tensor/quant/fields.ts';
import { Q4_0 } from '../tensor/quant/q4_0.ts';
import { GridBlocks, type GridFormat, rowsAtOnce } from './matrix/gridBlocks.ts';
import type { Matrices } from './matrix/matrices.ts';

const format = Q4_0 as GridFormat;
const { blockSize, blockBytes, grid } = format;
/** Bytes of the nibbles of a block. */
const NIBBLES = blockSize / 2;
const SWEEPS = 8;

export interface LowPlaneOptions {
  /** The original [rows, columns]. */
  readonly values: Float32Array;
  readonly columns: number;
  /** Blocks of the high plane. */
  readonly high: Uint8Array;
  /** Address of the damped H [columns, columns], and 1 for each dead channel. Undefined: integers are rounded only. */
  readonly inputs?: { readonly gram: number; readonly isDead: Uint8Array };
}

/** @returns nibbles [rows, columns / 2] */
export function lowPlaneOf(matrices: Matrices, { values, columns: n, high, inputs }: LowPlaneOptions): Uint8Array {
  const rows = values.length / n;
  const perRow = n / blockSize;
  const nibbles = new Uint8Array(rows * perRow * NIBBLES);
  const most = Math.min(rows, rowsAtOnce(n));
  const mark = matrices.mark();
  const blocks = new GridBlocks(matrices, format, most * perRow);
  const [left, errors, products] = [0, 0, 0].map(() => matrices.allocate(most * n)) as [number, number, number];
  const dead = matrices.allocate(n / 4);
  matrices.bytes(dead, n).set(inputs?.isDead ?? new Uint8Array(n));
  const view = (at: number) => ({ at, stride: n });
  const decoded = new Float32Array(blockSize);
  const quants = new Uint8Array(blockSize);
  const written = new Uint8Array(most * perRow * blockBytes);
  for (let row = 0; row < rows; row += most) {
    const count = Math.min(most, rows - row);
    for (let index = 0; index < count * perRow; index++) {
      const block = row * perRow + index;
      format.decode(high, block * blockBytes, decoded, 0, 1);
      const step = halfToFloat(floatToHalf(lowStep(readHalf(high, block * blockBytes))));
      for (let i = 0; i < blockSize; i++) {
        const rest = values[block * blockSize + i] - decoded[i];
        matrices.floats[left + index * blockSize + i] = rest;
        const rounded = step === 0 ? 0 : Math.round(rest / step);
        quants[i] = Math.max(grid.lowest, Math.min(grid.highest, rounded)) - grid.lowest;
      }
      blocks.set(index, step, quants);
    }
    if (inputs) {
      const { grid: description, records } = blocks;
      matrices.run('blockErrors', [description, 4 * left, 4 * dead, records, 4 * errors, count, n]);
      matrices.floats.fill(0, products, products + count * n);
      matrices.subtractProduct(view(products), view(errors), view(inputs.gram), count, n, n);
      matrices.run('descend', [description, 4 * inputs.gram, 4 * dead, records, 4 * products, count, n, SWEEPS]);
    }
    blocks.write(count * perRow, written);
    for (let index = 0; index < count * perRow; index++) {
      const at = index * blockBytes + blockBytes - NIBBLES;
      nibbles.set(written.subarray(at, at + NIBBLES), (row * perRow + index) * NIBBLES);
    }
  }
  matrices.release(mark);
  return nibbles;
}
