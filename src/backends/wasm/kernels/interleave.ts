/** Rows of f32 brought together in tiles of 6 (see parts/tile.ts). */
import { address, argument, rowsOf, shareFrom, shareTo } from "./parts/control";
import { ROWS } from "./parts/tile";

/**
 * Columns of rows → [rows / 6][K][6 rows], for products that sum over columns; rows beyond the last repeat it.
 * Nothing is to be done for one row, which products read as it is.
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
    const last = rows - 1;
    const x = address(command, 1) + (address(command, 4) << 2);
    takeRows(
      x + <usize>row * stride, x + <usize>min(row + 1, last) * stride, x + <usize>min(row + 2, last) * stride,
      x + <usize>min(row + 3, last) * stride, x + <usize>min(row + 4, last) * stride, x + <usize>min(row + 5, last) * stride,
      address(command, 2) + <usize>tile * columns * ROWS * 4, columns,
    );
  }
}

function takeRows(p0: usize, p1: usize, p2: usize, p3: usize, p4: usize, p5: usize, to: usize, columns: i32): void {
  for (const end = to + <usize>(columns >> 2) * 96; to < end; to += 96) {
    const a = v128.load(p0), b = v128.load(p1), c = v128.load(p2), d = v128.load(p3), e = v128.load(p4), f = v128.load(p5);
    const ab = v128.shuffle<i32>(a, b, 0, 4, 1, 5), cd = v128.shuffle<i32>(c, d, 0, 4, 1, 5);
    const AB = v128.shuffle<i32>(a, b, 2, 6, 3, 7), CD = v128.shuffle<i32>(c, d, 2, 6, 3, 7);
    const ef = v128.shuffle<i32>(e, f, 0, 4, 1, 5), EF = v128.shuffle<i32>(e, f, 2, 6, 3, 7);
    v128.store(to, v128.shuffle<i64>(ab, cd, 0, 2));
    v128.store(to, v128.shuffle<i64>(ef, ab, 0, 3), 16);
    v128.store(to, v128.shuffle<i64>(cd, ef, 1, 3), 32);
    v128.store(to, v128.shuffle<i64>(AB, CD, 0, 2), 48);
    v128.store(to, v128.shuffle<i64>(EF, AB, 0, 3), 64);
    v128.store(to, v128.shuffle<i64>(CD, EF, 1, 3), 80);
    p0 += 16; p1 += 16; p2 += 16; p3 += 16; p4 += 16; p5 += 16;
  }
  for (let k = 0; k < (columns & 3); k++) {
    store<f32>(to, load<f32>(p0)); store<f32>(to, load<f32>(p1), 4); store<f32>(to, load<f32>(p2), 8);
    store<f32>(to, load<f32>(p3), 12); store<f32>(to, load<f32>(p4), 16); store<f32>(to, load<f32>(p5), 20);
    p0 += 4; p1 += 4; p2 += 4; p3 += 4; p4 += 4; p5 += 4; to += 24;
  }
}
