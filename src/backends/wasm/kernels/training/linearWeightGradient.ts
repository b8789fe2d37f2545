/**
 * Gradient of a matrix: dW = dyᵀ·x, [outputs, inputs], from tiles of 6 columns of dy and panels of 8 columns of x. The
 * narrower of the two is packed by a separate command (`tiles`, `panels`). The columns of the wider one are split among
 * threads, which pack them on the fly, so that it is read once.
 */
import { BLOCK, DEPTH, takePanels, takeTiles } from "../parts/gather";
import { address, argument, claim, rowsOf, shareFrom, shareTo } from "../parts/control";
import { ROWS, productTo, TILE_BYTES } from "../parts/tile";

/** Maximum columns per piece of work. */
const COLUMNS: i32 = 96;

/** Bytes of scratch per thread: a tile's sums, and COLUMNS of DEPTH rows. */
export function linearWeightGradientScratch(): i32 { return <i32>TILE_BYTES + COLUMNS * DEPTH * 4; }

/** Rows per pass. */
export function linearWeightGradientDepth(): i32 { return DEPTH; }

/**
 * x → [rows / depth][width / 6][depth rows][6]. Arguments: 0 rows kind, 1 x [rows, width], 2 output, 3 width, 4 depth.
 */
export function tiles(command: usize, thread: i32, threads: i32): void {
  const rows = rowsOf(argument(command, 0)), width = argument(command, 3), depth = argument(command, 4);
  const count = (width + ROWS - 1) / ROWS;
  const blocks = (rows + BLOCK - 1) / BLOCK;
  for (let block = shareFrom(blocks, thread, threads); block < shareTo(blocks, thread, threads); block++) {
    const row = block * BLOCK, first = row / depth * depth;
    const to = address(command, 2) + (<usize>(first * count + row - first) * ROWS << 2);
    takeTiles(address(command, 1) + (<usize>row * width << 2), width << 2, min(BLOCK, rows - row), count, to, min(depth, rows - first));
  }
}

/** x → [rows / depth][width / 8][depth rows][8]. Arguments: as of tiles. */
export function panels(command: usize, thread: i32, threads: i32): void {
  const rows = rowsOf(argument(command, 0)), width = argument(command, 3), depth = argument(command, 4);
  const count = (width + 7) >> 3;
  const blocks = (rows + BLOCK - 1) / BLOCK;
  for (let block = shareFrom(blocks, thread, threads); block < shareTo(blocks, thread, threads); block++) {
    const row = block * BLOCK, first = row / depth * depth;
    const to = address(command, 2) + (<usize>(first * count + row - first) << 5);
    takePanels(address(command, 1) + (<usize>row * width << 2), width << 2, min(BLOCK, rows - row), count, to, min(depth, rows - first));
  }
}

/**
 * Arguments: 0 rows kind, 1 dy [rows, outputs], 2 x [rows, inputs], 3 result [outputs, inputs], 4 outputs, 5 inputs,
 * 6 1 to add it to the existing values, 7 scratch, 8 scratch bytes per thread, 9 packed operand: 0 dy, in tiles; 1 x, in panels,
 * 10 1 if dy is x: tiles below the diagonal are left out, see mirror.
 */
export function linearWeightGradient(command: usize, thread: i32, threads: i32): void {
  const rows = rowsOf(argument(command, 0));
  const outputs = argument(command, 4), inputs = argument(command, 5);
  const shareOutputs = argument(command, 9) == 1;
  const scratch = address(command, 7) + <usize>thread * address(command, 8);
  const packed = scratch + TILE_BYTES;
  const tiles = (outputs + ROWS - 1) / ROWS, panels = (inputs + 7) >> 3;
  const items = shareOutputs ? tiles : panels;
  const most = COLUMNS / (shareOutputs ? ROWS : 8);
  const pieces = max((items + most - 1) / most, min(items, threads << 2));
  for (let piece = claim(command, pieces, threads); piece >= 0; piece = claim(command, pieces, threads)) {
    const from = shareFrom(items, piece, pieces), to = shareTo(items, piece, pieces);
    if (rows == 0 && argument(command, 6) == 0) clear(command, shareOutputs, from, to);
    for (let row = 0; row < rows; row += DEPTH) {
      const count = min(DEPTH, rows - row);
      if (shareOutputs) {
        takeTiles(address(command, 1) + (<usize>(row * outputs + from * ROWS) << 2), outputs << 2, count, to - from, packed, count);
        multiply(command, packed, from, to, address(command, 2) + (<usize>(row * panels) << 5), 0, panels, row, count, scratch);
      } else {
        takePanels(address(command, 2) + (<usize>(row * inputs + (from << 3)) << 2), inputs << 2, count, to - from, packed, count);
        multiply(command, address(command, 1) + (<usize>(row * tiles) * ROWS << 2), 0, tiles, packed, from, to, row, count, scratch);
      }
    }
  }
}

/**
 * Products of `count` rows. What a thread has packed stays in the L2 cache, so all of it is multiplied with
 * one tile or panel of the other operand before the next.
 * @param x tiles from … to−1 of outputs @param w panels first … last−1 of inputs
 */
function multiply(
  command: usize, x: usize, from: i32, to: i32, w: usize, first: i32, last: i32, row: i32, count: i32, scratch: usize,
): void {
  const outputs = argument(command, 4), inputs = argument(command, 5);
  const add = row > 0 || argument(command, 6) != 0;
  const packedTiles = argument(command, 9) == 1, isSymmetric = argument(command, 10) == 1;
  const tiles = to - from, panels = last - first;
  for (let i = 0; i < tiles * panels; i++) {
    const tile = packedTiles ? i % tiles : i / panels, panel = packedTiles ? i / tiles : i % panels;
    const output = (from + tile) * ROWS, column = (first + panel) << 3;
    if (isSymmetric && column + 8 <= output) continue;
    productTo(
      address(command, 3) + (<usize>(output * inputs + column) << 2), <usize>inputs << 2,
      min(ROWS, outputs - output), min(8, inputs - column), add,
      w + (<usize>(panel * count) << 5), x + <usize>(tile * count * ROWS) * 4, count, scratch,
    );
  }
}

/** Writes zeros if there are no rows. */
function clear(command: usize, shareOutputs: bool, from: i32, to: i32): void {
  const outputs = argument(command, 4), inputs = argument(command, 5);
  const top = shareOutputs ? from * ROWS : 0, bottom = shareOutputs ? min(to * ROWS, outputs) : outputs;
  const left = shareOutputs ? 0 : from << 3, right = shareOutputs ? inputs : min(to << 3, inputs);
  for (let row = top; row < bottom; row++)
    memory.fill(address(command, 3) + (<usize>(row * inputs + left) << 2), 0, <usize>(right - left) << 2);
}

/** Rows and columns that are mirrored at a time. */
const SQUARE: i32 = 32;

/** Copies the elements above the diagonal of a square matrix to below it. Arguments: 0 matrix [n, n], 1 n. */
export function mirror(command: usize, thread: i32, threads: i32): void {
  const matrix = address(command, 0), n = argument(command, 1);
  const squares = (n + SQUARE - 1) / SQUARE;
  for (let square = claim(command, squares, threads); square >= 0; square = claim(command, squares, threads)) {
    const top = square * SQUARE, bottom = min(top + SQUARE, n);
    for (let left = 0; left <= top; left += SQUARE)
      for (let row = top; row < bottom; row++) {
        const to = matrix + (<usize>(row * n) << 2);
        for (let column = left, end = min(left + SQUARE, row); column < end; column++)
          store<f32>(to + (<usize>column << 2), load<f32>(matrix + (<usize>(column * n + row) << 2)));
      }
  }
}
