/**
 * Matrix products with weights that are floats. Packed: 8 rows interleaved, [K][8 rows] elements of F, so that a
 * column's 8 weights are side by side in SIMD lanes. F has element bytes `size` and `at(p)`: 4 elements at p as f32.
 */
import { address, argument, claim, piecesOf, rowsOf, shareFrom, shareTo } from "./control";
import { madd } from "./simd";
import { storeRows } from "./store";

/**
 * Kernel arguments: 0 rows kind (T or R), 1 weights, 2 x [rows, K], 3 –, 4 output [rows, N], 5 N, 6 K,
 * 7 bias or 0, 8 residual [rows, N] or 0, 9 scratch, 10 scratch bytes per thread.
 */
@inline export function matmulFloating<F>(command: usize, thread: i32, threads: i32): void {
  const rows = rowsOf(argument(command, 0));
  if (rows == 0) return;
  const groups = (argument(command, 5) + 7) >> 3;
  const scratch = address(command, 9) + <usize>thread * address(command, 10);
  const pieces = piecesOf(groups, threads);
  for (let piece = claim(command, pieces, threads); piece >= 0; piece = claim(command, pieces, threads))
    multiply<F>(command, shareFrom(groups, piece, pieces), shareTo(groups, piece, pieces), rows, scratch);
}

function multiply<F>(command: usize, from: i32, to: i32, rows: i32, scratch: usize): void {
  const f = changetype<F>(0);
  const columns = argument(command, 6);
  for (let group = from; group < to; group++) {
    const w = address(command, 1) + <usize>group * columns * 8 * f.size();
    if (rows == 1) {
      vector<F>(command, w, group << 3);
      continue;
    }
    let wide = w;
    if (f.size() != 4) {
      wide = scratch;
      for (let i = 0; i < columns << 1; i++) v128.store(scratch + (<usize>i << 4), f.at(w + <usize>i * 4 * f.size()));
    }
    let row = 0;
    for (; row + 4 <= rows; row += 4) tile(command, wide, row, group << 3);
    for (; row < rows; row++) single(command, wide, row, group << 3);
  }
}

@inline function vector<F>(command: usize, w: usize, column: i32): void {
  const f = changetype<F>(0);
  const columns = argument(command, 6);
  let px = address(command, 2);
  let a0 = f32x4.splat(0), a1 = a0, b0 = a0, b1 = a0;
  const end = px + (<usize>(columns & ~1) << 2);
  while (px < end) {
    const x = v128.load32_splat(px), y = v128.load32_splat(px, 4);
    a0 = madd(f.at(w), x, a0);
    a1 = madd(f.at(w + 4 * f.size()), x, a1);
    b0 = madd(f.at(w + 8 * f.size()), y, b0);
    b1 = madd(f.at(w + 12 * f.size()), y, b1);
    w += 16 * f.size();
    px += 8;
  }
  if (columns & 1) {
    const x = v128.load32_splat(px);
    a0 = madd(f.at(w), x, a0);
    a1 = madd(f.at(w + 4 * f.size()), x, a1);
  }
  storeRows(command, 0, column, f32x4.add(a0, b0), f32x4.add(a1, b1));
}

/** 8 rows of f32 weights × 1 token. */
function single(command: usize, w: usize, row: i32, column: i32): void {
  const columns = argument(command, 6);
  let px = address(command, 2) + (<usize>row * columns << 2);
  let a0 = f32x4.splat(0), a1 = a0;
  for (let k = 0; k < columns; k++) {
    const x = v128.load32_splat(px);
    a0 = madd(v128.load(w), x, a0);
    a1 = madd(v128.load(w, 16), x, a1);
    w += 32;
    px += 4;
  }
  storeRows(command, row, column, a0, a1);
}

/** 8 rows of f32 weights × 4 tokens. */
function tile(command: usize, w: usize, row: i32, column: i32): void {
  const columns = argument(command, 6);
  const stride: usize = columns << 2;
  let p0 = address(command, 2) + <usize>row * stride;
  let p1 = p0 + stride, p2 = p1 + stride, p3 = p2 + stride;
  let a0 = f32x4.splat(0), a1 = a0, b0 = a0, b1 = a0, c0 = a0, c1 = a0, d0 = a0, d1 = a0;
  for (let k = 0; k < columns; k++) {
    const w0 = v128.load(w), w1 = v128.load(w, 16);
    let x = v128.load32_splat(p0);
    a0 = madd(w0, x, a0); a1 = madd(w1, x, a1);
    x = v128.load32_splat(p1);
    b0 = madd(w0, x, b0); b1 = madd(w1, x, b1);
    x = v128.load32_splat(p2);
    c0 = madd(w0, x, c0); c1 = madd(w1, x, c1);
    x = v128.load32_splat(p3);
    d0 = madd(w0, x, d0); d1 = madd(w1, x, d1);
    w += 32;
    p0 += 4; p1 += 4; p2 += 4; p3 += 4;
  }
  storeRows(command, row, column, a0, a1);
  storeRows(command, row + 1, column, b0, b1);
  storeRows(command, row + 2, column, c0, c1);
  storeRows(command, row + 3, column, d0, d1);
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

/** Bytes of the scratch that 8 rows widened to f32 need. */
@inline export function scratchBytesFloating<F>(columns: i32): i32 {
  return changetype<F>(0).size() == 4 ? 0 : columns * 32;
}
