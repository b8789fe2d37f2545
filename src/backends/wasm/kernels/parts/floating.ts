/**
 * Matrix products with float weights. Packed: 8 rows interleaved, [K][8 rows] elements of F, so that a
 * column's 8 weights are side by side in SIMD lanes. F has element bytes `size`, `at(p)`: 4 elements at p as f32,
 * `quick(p, mask)`: the same, or 2^−112 of them where `isTiny` (see simd.ts), and `one(p)`: a single one.
 *
 * Every product adds a row's columns up one after another in a single f32 sum, so that a row's result has the same bits
 * whatever the number of rows beside it. Where weights are tiny, sums are 2^−56 of what they are: one row has its
 * activations multiplied with 2^56, several rows the weights.
 */
import { address, argument, claim, claimRun, piecesOf, rowsOf, runEnd, shareFrom, shareTo } from "./control";
import { balance, halfMask, madd } from "./simd";
import { storeRows } from "./store";
import { ROWS, tile, TILE_BYTES } from "./tile";

/** Bytes of rows that are multiplied with all weights before the next rows. They stay in the L2 cache. */
const BLOCK_BYTES: i32 = 1 << 18;
/** Steps of no more rows than this take the weights as they are packed. */
const FEW: i32 = 4;

/**
 * Kernel arguments: 0 rows kind, 1 weights, 2 x [rows, K], 3 x in tiles (see interleave.ts), 4 output [rows, N], 5 N, 6 K,
 * 7 bias or 0, 8 residual [rows, N] or 0, 9 scratch, 10 scratch bytes per thread. One row is read from x itself.
 * Scratch: 8 rows of weights widened to f32 if they are not, and a tile's sums before them.
 */
@inline export function matmulFloating<F>(command: usize, thread: i32, threads: i32): void {
  const rows = rowsOf(argument(command, 0));
  if (rows == 0) return;
  const groups = (argument(command, 5) + 7) >> 3;
  if (rows <= FEW) {
    const fours = (groups + 3) >> 2;
    for (let four = claimRun(command, fours, threads); four >= 0; four = claimRun(command, fours, threads)) {
      const from = four << 2, to = min(groups, runEnd(four, fours, threads) << 2);
      if (rows == 1) vector<F>(command, from, to);
      else few<F>(command, from, to, rows);
    }
    return;
  }
  const scratch = address(command, 9) + <usize>thread * address(command, 10);
  const tiles = (rows + ROWS - 1) / ROWS;
  const inBlock = max(1, BLOCK_BYTES / (argument(command, 6) * ROWS * 4));
  const blocks = (tiles + inBlock - 1) / inBlock;
  // pieces are blocks of rows; with few blocks, also parts of the weights
  const shares = threads == 1 ? 1 : min(groups, (threads * 8 + blocks - 1) / blocks);
  const pieces = blocks * shares;
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

/** 4 weights for several rows: 2^−56 of them where they are tiny. */
@inline function wide<F>(p: usize, mask: v128, factor: v128): v128 {
  const f = changetype<F>(0);
  return f.isTiny() ? f32x4.mul(f.quick(p, mask), factor) : f.at(p);
}

/** 2^56 times what is tiny. */
@inline function balanced<F>(v: v128, factor: v128): v128 { return changetype<F>(0).isTiny() ? f32x4.mul(v, factor) : v; }

/** Groups of weights from … to−1 with tiles of rows first … last−1. */
function multiply<F>(command: usize, from: i32, to: i32, first: i32, last: i32, rows: i32, scratch: usize): void {
  const f = changetype<F>(0);
  const columns = argument(command, 6);
  const tileBytes = <usize>columns * ROWS * 4;
  const pitch = address(command, 5) << 2;
  const plain = !f.isTiny() && address(command, 7) == 0 && address(command, 8) == 0;
  const mask = halfMask(), factor = balance();
  for (let group = from; group < to; group++) {
    let w = weightsOf<F>(command, group);
    if (f.size() != 4) {
      const unpacked = scratch + TILE_BYTES;
      for (let i: usize = 0; i < <usize>columns << 1; i++) v128.store(unpacked + (i << 4), wide<F>(w + i * 4 * f.size(), mask, factor));
      w = unpacked;
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
          storeRows(command, row + r, group << 3, balanced<F>(v128.load(sums), factor), balanced<F>(v128.load(sums, 16), factor));
        }
      }
      x += tileBytes;
    }
  }
}

/** One row, with two groups of weights at once: their four sums are chains of their own, which wait less for each other. */
function vector<F>(command: usize, from: i32, to: i32): void {
  const f = changetype<F>(0);
  const columns = argument(command, 6);
  const bytes = <usize>columns * 8 * f.size(), step = 8 * f.size(), half = 4 * f.size();
  const mask = halfMask(), factor = balance();
  for (let group = from; group < to; group += 2) {
    let p = weightsOf<F>(command, group);
    // a group beyond the last is the one before again
    let q = group + 1 < to ? p + bytes : p;
    let px = address(command, 2);
    let x = balanced<F>(v128.load32_splat(px), factor);
    let a0 = f32x4.mul(f.quick(p, mask), x), a1 = f32x4.mul(f.quick(p + half, mask), x);
    let b0 = f32x4.mul(f.quick(q, mask), x), b1 = f32x4.mul(f.quick(q + half, mask), x);
    const end = px + (<usize>(columns - 1) << 2);
    if (px < end) {
      do {
        px += 4; p += step; q += step;
        x = balanced<F>(v128.load32_splat(px), factor);
        a0 = madd(f.quick(p, mask), x, a0); a1 = madd(f.quick(p + half, mask), x, a1);
        b0 = madd(f.quick(q, mask), x, b0); b1 = madd(f.quick(q + half, mask), x, b1);
      } while (px < end);
    }
    storeRows(command, 0, group << 3, balanced<F>(a0, factor), balanced<F>(a1, factor));
    if (group + 1 < to) storeRows(command, 0, (group + 1) << 3, balanced<F>(b0, factor), balanced<F>(b1, factor));
  }
}

/** 2 … 4 rows, which are the first of a tile. */
function few<F>(command: usize, from: i32, to: i32, rows: i32): void {
  const f = changetype<F>(0);
  const columns = argument(command, 6);
  const bytes = <usize>columns * 8 * f.size(), step = 8 * f.size(), half = 4 * f.size();
  const mask = halfMask(), factor = balance();
  if (rows == 2) {
    for (let group = from; group < to; group += 2) {
      let p = weightsOf<F>(command, group);
      let q = group + 1 < to ? p + bytes : p;
      let px = address(command, 3);
      let w0 = wide<F>(p, mask, factor), w1 = wide<F>(p + half, mask, factor);
      let w2 = wide<F>(q, mask, factor), w3 = wide<F>(q + half, mask, factor);
      let x = v128.load32_splat(px), y = v128.load32_splat(px, 4);
      let a0 = f32x4.mul(x, w0), a1 = f32x4.mul(x, w1), a2 = f32x4.mul(x, w2), a3 = f32x4.mul(x, w3);
      let b0 = f32x4.mul(y, w0), b1 = f32x4.mul(y, w1), b2 = f32x4.mul(y, w2), b3 = f32x4.mul(y, w3);
      const end = p + bytes - step;
      if (p < end) {
        do {
          p += step; q += step; px += 4 * ROWS;
          w0 = wide<F>(p, mask, factor); w1 = wide<F>(p + half, mask, factor);
          w2 = wide<F>(q, mask, factor); w3 = wide<F>(q + half, mask, factor);
          x = v128.load32_splat(px); y = v128.load32_splat(px, 4);
          a0 = madd(x, w0, a0); a1 = madd(x, w1, a1); a2 = madd(x, w2, a2); a3 = madd(x, w3, a3);
          b0 = madd(y, w0, b0); b1 = madd(y, w1, b1); b2 = madd(y, w2, b2); b3 = madd(y, w3, b3);
        } while (p < end);
      }
      storeRows(command, 0, group << 3, balanced<F>(a0, factor), balanced<F>(a1, factor));
      storeRows(command, 1, group << 3, balanced<F>(b0, factor), balanced<F>(b1, factor));
      if (group + 1 == to) break;
      storeRows(command, 0, (group + 1) << 3, balanced<F>(a2, factor), balanced<F>(a3, factor));
      storeRows(command, 1, (group + 1) << 3, balanced<F>(b2, factor), balanced<F>(b3, factor));
    }
    return;
  }
  for (let group = from; group < to; group++) {
    let p = weightsOf<F>(command, group);
    let px = address(command, 3);
    let w0 = wide<F>(p, mask, factor), w1 = wide<F>(p + half, mask, factor);
    let x = v128.load32_splat(px);
    let a0 = f32x4.mul(x, w0), a1 = f32x4.mul(x, w1);
    x = v128.load32_splat(px, 4);
    let b0 = f32x4.mul(x, w0), b1 = f32x4.mul(x, w1);
    x = v128.load32_splat(px, 8);
    let c0 = f32x4.mul(x, w0), c1 = f32x4.mul(x, w1);
    x = v128.load32_splat(px, 12);
    let d0 = f32x4.mul(x, w0), d1 = f32x4.mul(x, w1);
    const end = p + bytes - step;
    if (p < end) {
      do {
        p += step; px += 4 * ROWS;
        w0 = wide<F>(p, mask, factor); w1 = wide<F>(p + half, mask, factor);
        x = v128.load32_splat(px);
        a0 = madd(x, w0, a0); a1 = madd(x, w1, a1);
        x = v128.load32_splat(px, 4);
        b0 = madd(x, w0, b0); b1 = madd(x, w1, b1);
        x = v128.load32_splat(px, 8);
        c0 = madd(x, w0, c0); c1 = madd(x, w1, c1);
        x = v128.load32_splat(px, 12);
        d0 = madd(x, w0, d0); d1 = madd(x, w1, d1);
      } while (p < end);
    }
    storeRows(command, 0, group << 3, balanced<F>(a0, factor), balanced<F>(a1, factor));
    storeRows(command, 1, group << 3, balanced<F>(b0, factor), balanced<F>(b1, factor));
    storeRows(command, 2, group << 3, balanced<F>(c0, factor), balanced<F>(c1, factor));
    if (rows == 4) storeRows(command, 3, group << 3, balanced<F>(d0, factor), balanced<F>(d1, factor));
  }
}

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
