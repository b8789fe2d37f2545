/**
 * Matrix products with float weights. Packed: 8 rows interleaved, [K][8 rows] elements of F, so that a
 * column's 8 weights are side by side in SIMD lanes. F has element bytes `size`, `at(p)`: 4 elements at p as f32,
 * `quick(p, mask)`: the same, or 2^−112 of them where `isTiny` (see simd.ts), and `one(p)`: a single one.
 */
import { address, argument, claim, piecesOf, rowsOf, shareFrom, shareTo } from "./control";
import { balance, halfMask, madd } from "./simd";
import { storeRows } from "./store";
import { ROWS, tile, TILE_BYTES } from "./tile";

/** Bytes of rows that are multiplied with all weights before the next rows. They stay in the L2 cache. */
const BLOCK_BYTES: i32 = 1 << 18;

/**
 * Kernel arguments: 0 rows kind, 1 weights, 2 x [rows, K], 3 x in tiles (see interleave.ts), 4 output [rows, N], 5 N, 6 K,
 * 7 bias or 0, 8 residual [rows, N] or 0, 9 scratch, 10 scratch bytes per thread. One row is read from x itself.
 * Scratch: 8 rows of weights widened to f32 if they are not, and a tile's sums before them.
 */
@inline export function matmulFloating<F>(command: usize, thread: i32, threads: i32): void {
  const rows = rowsOf(argument(command, 0));
  if (rows == 0) return;
  const groups = (argument(command, 5) + 7) >> 3;
  if (rows == 1) {
    const pieces = piecesOf(groups, threads);
    for (let piece = claim(command, pieces, threads); piece >= 0; piece = claim(command, pieces, threads))
      for (let group = shareFrom(groups, piece, pieces); group < shareTo(groups, piece, pieces); group++)
        vector<F>(command, weightsOf<F>(command, group), group << 3);
    return;
  }
  const tiles = (rows + ROWS - 1) / ROWS;
  const inBlock = max(1, BLOCK_BYTES / (argument(command, 6) * ROWS * 4));
  const blocks = (tiles + inBlock - 1) / inBlock;
  // pieces are blocks of rows; with few blocks, also parts of the weights
  const shares = threads == 1 ? 1 : min(groups, (threads * 8 + blocks - 1) / blocks);
  const pieces = blocks * shares;
  const scratch = address(command, 9) + <usize>thread * address(command, 10);
  for (let piece = claim(command, pieces, threads); piece >= 0; piece = claim(command, pieces, threads)) {
    const block = piece / shares, share = piece % shares;
    multiply<F>(
      command, shareFrom(groups, share, shares), shareTo(groups, share, shares),
      shareFrom(tiles, block, blocks), shareTo(tiles, block, blocks), rows, scratch,
    );
  }
}

@inline function weightsOf<F>(command: usize, group: i32): usize {
  return address(command, 1) + <usize>group * (argument(command, 6) << 3) * changetype<F>(0).size();
}

/** Groups of weights from … to−1 with tiles of rows first … last−1. */
function multiply<F>(command: usize, from: i32, to: i32, first: i32, last: i32, rows: i32, scratch: usize): void {
  const f = changetype<F>(0);
  const columns = argument(command, 6);
  const tileBytes = <usize>columns * ROWS * 4;
  const pitch = address(command, 5) << 2;
  const plain = address(command, 7) == 0 && address(command, 8) == 0;
  for (let group = from; group < to; group++) {
    let w = weightsOf<F>(command, group);
    if (f.size() != 4) {
      const wide = scratch + TILE_BYTES;
      for (let i: usize = 0; i < <usize>columns << 1; i++) v128.store(wide + (i << 4), f.at(w + i * 4 * f.size()));
      w = wide;
    }
    let x = address(command, 3) + <usize>first * tileBytes;
    const out = address(command, 4) + (<usize>group << 5);
    const whole = plain && (group << 3) + 8 <= argument(command, 5);
    for (let row = first * ROWS; row < min(rows, last * ROWS); row += ROWS) {
      const count = min(ROWS, rows - row);
      if (count == ROWS && whole) tile(w, x, columns, out + <usize>row * pitch, pitch);
      else {
        tile(w, x, columns, scratch, 32);
        for (let r = 0; r < count; r++) {
          const sums = scratch + (<usize>r << 5);
          storeRows(command, row + r, group << 3, v128.load(sums), v128.load(sums, 16));
        }
      }
      x += tileBytes;
    }
  }
}

@inline function vector<F>(command: usize, w: usize, column: i32): void {
  const f = changetype<F>(0);
  const columns = argument(command, 6);
  const mask = halfMask(), factor = balance();
  let px = address(command, 2);
  let a0 = f32x4.splat(0), a1 = a0, b0 = a0, b1 = a0;
  const end = px + (<usize>(columns & ~1) << 2);
  while (px < end) {
    const x = balanced<F>(v128.load32_splat(px), factor), y = balanced<F>(v128.load32_splat(px, 4), factor);
    a0 = madd(f.quick(w, mask), x, a0);
    a1 = madd(f.quick(w + 4 * f.size(), mask), x, a1);
    b0 = madd(f.quick(w + 8 * f.size(), mask), y, b0);
    b1 = madd(f.quick(w + 12 * f.size(), mask), y, b1);
    w += 16 * f.size();
    px += 8;
  }
  if (columns & 1) {
    const x = balanced<F>(v128.load32_splat(px), factor);
    a0 = madd(f.quick(w, mask), x, a0);
    a1 = madd(f.quick(w + 4 * f.size(), mask), x, a1);
  }
  storeRows(command, 0, column, balanced<F>(f32x4.add(a0, b0), factor), balanced<F>(f32x4.add(a1, b1), factor));
}

@inline function balanced<F>(v: v128, factor: v128): v128 { return changetype<F>(0).isTiny() ? f32x4.mul(v, factor) : v; }

/** Rows of an embedding by id. Arguments: 0 rows kind, 1 weights, 2 ids (i32), 3 output [rows, K], 4 K. */
@inline export function embedFloating<F>(command: usize, thread: i32, threads: i32): void {
  const f = changetype<F>(0);
  const rows = rowsOf(argument(command, 0));
  const columns = argument(command, 4);
  for (let t = shareFrom(rows, thread, threads); t < shareTo(rows, thread, threads); t++) {
    const id = load<i32>(address(command, 2) + (<usize>t << 2));
    let from = address(command, 1) + (<usize>(id >> 3) * columns * 8 + (id & 7)) * f.size();
    let to = address(command, 3) + <usize>t * columns * 4;
    for (let k = 0; k < columns; k++) {
      store<f32>(to, f.one(from));
      from += 8 * f.size();
      to += 4;
    }
  }
}

/** [8·groups, K] elements → [groups][K][8]. Kernel arguments: 0 from, 1 to, 2 groups, 3 K. */
@inline export function packFloating<E>(command: usize, thread: i32, threads: i32): void {
  const groups = argument(command, 2), columns = argument(command, 3);
  const bytes = <usize>columns * 8 * sizeof<E>();
  const pieces = piecesOf(groups, threads);
  for (let piece = claim(command, pieces, threads); piece >= 0; piece = claim(command, pieces, threads)) {
    for (let group = shareFrom(groups, piece, pieces); group < shareTo(groups, piece, pieces); group++) {
      let from = address(command, 0) + group * bytes;
      for (let row = 0; row < 8; row++) {
        let to = address(command, 1) + group * bytes + row * sizeof<E>();
        for (let k = 0; k < columns; k++) {
          store<E>(to, load<E>(from));
          from += sizeof<E>();
          to += 8 * sizeof<E>();
        }
      }
    }
  }
}

/** Bytes of 8 packed rows of `columns`. */
@inline export function groupBytesFloating<F>(columns: i32): i32 { return columns * 8 * <i32>changetype<F>(0).size(); }

/** Bytes of scratch per thread. */
@inline export function scratchBytesFloating<F>(columns: i32): i32 {
  return <i32>TILE_BYTES + (changetype<F>(0).size() == 4 ? 0 : columns * 32);
}
