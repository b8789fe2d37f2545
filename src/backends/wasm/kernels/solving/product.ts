/** Products of matrices in row order, on all threads. */
import { DEPTH, takePanels, takeRows } from "../parts/gather";
import { address, argument, claim, shareFrom, shareTo } from "../parts/control";
import { ROWS, TILE_BYTES, productTo } from "../parts/tile";

/** Maximum panels of 8 columns per piece of work. */
const PANELS: i32 = 12;

/** Bytes of scratch per thread: a tile's sums, a tile of A, panels of B. */
export function subtractProductScratch(): i32 { return <i32>TILE_BYTES + DEPTH * (ROWS + PANELS * 8) * 4 + 16; }

/**
 * C ← C − A·B. Arguments: 0 C, 1 its stride in elements, 2 A [rows, depth], 3 stride, 4 B [depth, columns], 5 stride, 6 rows,
 * 7 depth, 8 columns, 9 scratch, 10 scratch bytes per thread.
 */
export function subtractProduct(command: usize, thread: i32, threads: i32): void {
  const rows = argument(command, 6), depth = argument(command, 7), columns = argument(command, 8);
  const pitchC = address(command, 1) << 2, pitchA = address(command, 3) << 2, pitchB = address(command, 5) << 2;
  const sums = address(command, 9) + <usize>thread * address(command, 10);
  const left = sums + TILE_BYTES, right = left + DEPTH * ROWS * 4 + 16;
  const panels = (columns + 7) >> 3;
  const pieces = max((panels + PANELS - 1) / PANELS, min(panels, threads << 1));
  for (let piece = claim(command, pieces, threads); piece >= 0; piece = claim(command, pieces, threads)) {
    const from = shareFrom(panels, piece, pieces), to = shareTo(panels, piece, pieces);
    for (let k = 0; k < depth; k += DEPTH) {
      const count = min(DEPTH, depth - k);
      takePanels(address(command, 4) + <usize>k * pitchB + (<usize>from << 5), pitchB, count, to - from, right, count);
      for (let row = 0; row < rows; row += ROWS) {
        const some = min(ROWS, rows - row);
        takeRows(address(command, 2) + <usize>row * pitchA + (<usize>k << 2), pitchA, some, left, count);
        negate(left, count * ROWS);
        for (let panel = from; panel < to; panel++)
          productTo(
            address(command, 0) + <usize>row * pitchC + (<usize>panel << 5), pitchC, some, min(8, columns - (panel << 3)), true,
            right + (<usize>((panel - from) * count) << 5), left, count, sums,
          );
      }
    }
  }
}

/** Negates floats; may write up to 3 more. */
function negate(at: usize, count: i32): void {
  for (const end = at + (<usize>count << 2); at < end; at += 16) v128.store(at, f32x4.neg(v128.load(at)));
}
