/**
 * Quantizes a matrix by OBS (GPTQ: Frantar et al. 2022) onto the grid of a block format: channel after channel is rounded, and
 * the error is compensated by the channels after it. The scales of a block are chosen when its first channel is reached,
 * and those of a group again when its first channel is reached, from the weights as compensated so far. The compensation is
 * lazy: within a group at once, within 256 channels after each group, and beyond them after all 256.
 *
 * Coordinate descent refines the integers (QuantEase: Behdin et al. 2023): with the scales fixed, each integer moves to where
 * the error of the outputs is least, given all others. Every move lowers the error, so a few sweeps over the channels can
 * only improve the result.
 */
import { GridBlocks, type GridFormat, rowsAtOnce } from './matrix/gridBlocks.ts';
import type { Matrices } from './matrix/matrices.ts';

export interface ObsOptions {
  readonly format: GridFormat;
  /** Order of the channels, see channelOrder. */
  readonly order: Int32Array;
  /** Address of U in panels of 8 columns, see inverseCholesky. */
  readonly factor: number;
  /** Address of the damped H [n, n], in the channels' own order. */
  readonly gram: number;
  /** 1 for each dead channel: its weights are 0. */
  readonly isDead: Uint8Array;
  /** Maximum distance of an integer from its weight, in steps. Default: no limit. */
  readonly reach?: number;
  /** Weights that are 0 stay 0. The format must have an exact zero. */
  readonly keepsZeros?: boolean;
}

const SWEEPS = 4;

/** @param values [rows, n] @returns the blocks' bytes */
export function quantizeByObs(
  matrices: Matrices,
  { format, order, factor, gram, isDead, reach = 0, keepsZeros = false }: ObsOptions,
  values: Float32Array,
): Uint8Array {
  const n = order.length;
  const rows = values.length / n;
  const perRow = n / format.blockSize;
  const bytes = new Uint8Array(rows * perRow * format.blockBytes);
  const most = Math.min(rows, rowsAtOnce(n));
  const mark = matrices.mark();
  const blocks = new GridBlocks(matrices, format, most * perRow);
  const { grid, records } = blocks;
  const [w, errors, products] = [0, 0, 0].map(() => matrices.allocate(most * n)) as [number, number, number];
  const [channels, dead] = [matrices.allocate(n), matrices.allocate(n / 4)];
  matrices.integers(channels, n).set(order);
  matrices.bytes(dead, n).set(isDead);
  const scratch = matrices.size('obsScratch', n);
  const view = (at: number) => ({ at, stride: n });
  const near = Math.round(256 * reach);
  for (let row = 0; row < rows; row += most) {
    const count = Math.min(most, rows - row);
    const own = values.subarray(row * n, (row + count) * n);
    matrices.floats.set(own, w);
    matrices.run('obs', [grid, 4 * w, 4 * channels, 4 * factor, 4 * dead, records, count, n, near], scratch);
    // the errors that this adds are compensated by the descent
    if (keepsZeros) blocks.keepZeros(own);
    matrices.run('blockErrors', [grid, 4 * w, 4 * dead, records, 4 * errors, count, n]);
    matrices.floats.fill(0, products, products + count * n);
    matrices.subtractProduct(view(products), view(errors), view(gram), count, n, n);
    matrices.run('descend', [grid, 4 * gram, 4 * dead, records, 4 * products, count, n, SWEEPS, 4 * w, near]);
    if (keepsZeros) blocks.keepZeros(own);
    blocks.write(count * perRow, bytes.subarray(row * perRow * format.blockBytes));
  }
  matrices.release(mark);
  return bytes;
}
