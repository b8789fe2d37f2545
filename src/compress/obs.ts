/**
 * Quantizes a matrix by OBS (GPTQ: Frantar et al. 2022) onto the grid of a block format: channel after channel is rounded, and
 * the error is compensated by the channels after it. The scales of a block are chosen when its first channel is reached,
 * and those of a group again when its first channel is reached, from the weights as compensated so far. The compensation is
 * lazy: within a group at once, within a block after each group, and beyond it after each block.
 */
import type { BlockFormat } from '../tensor/blockFormat.ts';
import type { BlockGrid, GridBlock } from '../tensor/blockGrid.ts';
import { nearestLevel } from '../tensor/quant/nonLinear.ts';
import type { Matrices } from './matrix/matrices.ts';

/** A format with a grid. */
export interface GridFormat extends BlockFormat {
  readonly grid: BlockGrid;
}

export interface ObsOptions {
  readonly format: GridFormat;
  /** Order of the channels, see channelOrder. */
  readonly order: Int32Array;
  /** Address of U [n, n], see inverseCholesky. */
  readonly factor: number;
  /** Dead channels: their weights are 0. */
  readonly isDead: Uint8Array;
  /** Addresses of [rows, n] weights and [rows, block size] errors. */
  readonly weights: number;
  readonly errors: number;
}

/** @param values [rows, n] @returns the blocks of all rows, in order */
export function quantizeByObs(
  matrices: Matrices,
  { format, order, factor: u, isDead, weights: w, errors: e }: ObsOptions,
  values: Float32Array,
  rows: number,
): GridBlock[] {
  const n = order.length;
  const { blockSize, grid } = format;
  const perRow = n / blockSize;
  const { groupSize, lowest, highest, levels } = grid;
  const { floats } = matrices;
  for (let row = 0; row < rows; row++)
    for (let p = 0; p < n; p++) {
      const channel = order[p]!;
      floats[w + row * n + p] = isDead[channel] ? 0 : values[row * n + channel]!;
    }
  const blocks = Array.from({ length: rows * perRow }, () => grid.newBlock());
  const x = new Float32Array(blockSize);
  const importance = new Float32Array(blockSize);
  for (let first = 0; first < n; first += blockSize) {
    const base = Math.floor(order[first]! / blockSize) * blockSize;
    const place = base / blockSize;
    // the error that remains after compensation is (error / U_pp)²
    for (let p = first; p < first + blockSize; p++) importance[order[p]! - base] = 1 / floats[u + p * n + p]! ** 2;
    const gather = (row: number) => {
      for (let p = first; p < first + blockSize; p++) x[order[p]! - base] = floats[w + row * n + p]!;
    };
    for (let row = 0; row < rows; row++) {
      gather(row);
      grid.start(blocks[row * perRow + place]!, x, importance);
    }
    for (let start = first; start < first + blockSize; start += groupSize) {
      const group = Math.floor((order[start]! - base) / groupSize);
      const end = start + groupSize;
      for (let row = 0; row < rows; row++) {
        const block = blocks[row * perRow + place]!;
        gather(row);
        grid.fit(block, group, x, importance);
        const step = grid.step(block, group);
        const offset = grid.offset(block, group);
        const inverse = step === 0 ? 0 : 1 / step;
        const line = w + row * n;
        for (let p = start; p < end; p++) {
          const value = floats[line + p]!;
          const scaled = (value + offset) * inverse;
          const q = levels ? nearestLevel(scaled) : Math.max(lowest, Math.min(highest, Math.round(scaled)));
          block.quants[order[p]! - base] = q - lowest;
          const chosen = step * (levels ? levels[q]! : q) - offset;
          const error = (value - chosen) / floats[u + p * n + p]!;
          floats[e + row * blockSize + p - first] = error;
          for (let later = p + 1; later < end; later++) floats[line + later] -= error * floats[u + p * n + later]!;
        }
      }
      matrices.subtractProduct(
        { at: w + end, stride: n },
        { at: e + start - first, stride: blockSize },
        { at: u + start * n + end, stride: n },
        rows,
        groupSize,
        first + blockSize - end,
      );
    }
    const next = first + blockSize;
    matrices.subtractProduct(
      { at: w + next, stride: n },
      { at: e, stride: blockSize },
      { at: u + first * n + next, stride: n },
      rows,
      blockSize,
      n - next,
    );
  }
  return blocks;
}
