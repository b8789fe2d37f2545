/** Packs f32 rows into tiles of 6 (see parts/tile.ts). */
import { address, argument, rowsOf, shareFrom, shareTo } from "../parts/control";
import { takeRows } from "../parts/gather";
import { ROWS } from "../parts/tile";

/**
 * Columns of rows → [rows / 6][K][6 rows], for products that sum over columns; rows beyond the last repeat it.
 * Does nothing for a single row, which products read directly.
 * Arguments: 0 rows kind, 1 x [rows, width], 2 output, 3 width, 4 first column, 5 K columns.
 */
export function interleave(command: usize, thread: i32, threads: i32): void {
  const rows = rowsOf(argument(command, 0));
  if (rows == 1) return;
  const tiles = (rows + ROWS - 1) / ROWS;
  const stride = address(command, 3) << 2;
  const columns = argument(command, 5);
  for (let tile = shareFrom(tiles, thread, threads); tile < shareTo(tiles, thread, threads); tile++) {
    const row = tile * ROWS;
    const x = address(command, 1) + <usize>row * stride + (address(command, 4) << 2);
    takeRows(x, stride, min(ROWS, rows - row), address(command, 2) + <usize>tile * columns * ROWS * 4, columns);
  }
}
