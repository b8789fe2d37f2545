/** Encodes matrices with the solver's kernels, on all threads, and with the formats' own encoders. */
import type { BlockFormat } from '../tensor/blockFormat.ts';
import { GridBlocks, type GridFormat, rowsAtOnce } from './matrix/gridBlocks.ts';
import type { Matrices } from './matrix/matrices.ts';

/**
 * @param values [rows, columns]
 * @param importance weights of the columns' squared errors, [columns]
 */
export function encodeRows(
  matrices: Matrices,
  values: Float32Array,
  columns: number,
  format: BlockFormat,
  importance: Float32Array | undefined,
): Uint8Array {
  // without importance, formats without super-blocks have nothing to search for
  if (!format.grid || (!importance && !format.grid.scales)) return encode(values, columns, format, importance);
  const rows = values.length / columns;
  const perRow = columns / format.blockSize;
  const most = Math.min(rows, rowsAtOnce(columns));
  const bytes = new Uint8Array(rows * perRow * format.blockBytes);
  const mark = matrices.mark();
  const blocks = new GridBlocks(matrices, format as GridFormat, most * perRow);
  const x = matrices.allocate(most * columns);
  const weights = importance ? matrices.allocate(columns) : 0;
  if (importance) matrices.floats.set(importance, weights);
  const scratch = matrices.size('encodeBlocksScratch', format.blockSize);
  for (let row = 0; row < rows; row += most) {
    const count = Math.min(most, rows - row);
    matrices.floats.set(values.subarray(row * columns, (row + count) * columns), x);
    matrices.run('encodeBlocks', [blocks.grid, 4 * x, 4 * weights, blocks.records, count, columns], scratch);
    blocks.write(count * perRow, bytes.subarray(row * perRow * format.blockBytes));
  }
  matrices.release(mark);
  return bytes;
}

/** Encodes rows by the format's own encoder, with the same importance of columns. */
export function encode(
  values: Float32Array,
  columns: number,
  format: BlockFormat,
  importance: Float32Array | undefined,
): Uint8Array {
  const rows = values.length / columns;
  const blocks = columns / format.blockSize;
  const bytes = new Uint8Array(rows * blocks * format.blockBytes);
  if (!importance) {
    format.encode(values, 0, bytes, 0, rows * blocks);
    return bytes;
  }
  for (let row = 0; row < rows; row++) {
    const part = values.subarray(row * columns, (row + 1) * columns);
    format.encode(part, 0, bytes, row * blocks * format.blockBytes, blocks, importance);
  }
  return bytes;
}
