/**
 * The inner loop of all f32 products: 8 sums in lanes for each of 6 rows. An iteration has 2 loads, 6 broadcasts
 * and 12 multiply-adds, which fill 15 registers.
 */
import { madd } from "./simd";

/** Rows of a tile. */
export const ROWS: i32 = 6;
/** Bytes of a tile's sums. */
export const TILE_BYTES: usize = 192;

/** to[r][8] = Σ_k x[k][r] · w[k][8], k < count, r < 6, rows of `to` being `pitch` bytes apart; count is at least 1. */
export function tile(w: usize, x: usize, count: i32, to: usize, pitch: usize): void {
  sumProducts(w, x, count, to, pitch, false);
}

/** The same, added to the existing values. */
export function tileAdded(w: usize, x: usize, count: i32, to: usize, pitch: usize): void {
  sumProducts(w, x, count, to, pitch, true);
}

/** Initial value of a sum: its first product, plus the existing value if `add` is set. */
@inline function first(p: v128, w: v128, to: usize, add: bool): v128 {
  return add ? madd(p, w, v128.load(to)) : f32x4.mul(p, w);
}

/**
 * V8 11 (Node 20) orders the instructions of a block by how its results are used. Loads stay between the multiply-adds,
 * and none is spilled, when sums are stored at once in the order they are made; addresses of the broadcasts are computed
 * once if they are also used before the loop. So the first iteration is before the loop, and results go to memory.
 */
@inline function sumProducts(w: usize, x: usize, count: i32, to: usize, pitch: usize, add: bool): void {
  let at = to;
  let w0 = v128.load(w), w1 = v128.load(w, 16);
  let p = v128.load32_splat(x);
  let a0 = first(p, w0, at, add), a1 = first(p, w1, at + 16, add);
  p = v128.load32_splat(x, 4);
  at += pitch;
  let b0 = first(p, w0, at, add), b1 = first(p, w1, at + 16, add);
  p = v128.load32_splat(x, 8);
  at += pitch;
  let c0 = first(p, w0, at, add), c1 = first(p, w1, at + 16, add);
  p = v128.load32_splat(x, 12);
  at += pitch;
  let d0 = first(p, w0, at, add), d1 = first(p, w1, at + 16, add);
  p = v128.load32_splat(x, 16);
  at += pitch;
  let e0 = first(p, w0, at, add), e1 = first(p, w1, at + 16, add);
  p = v128.load32_splat(x, 20);
  at += pitch;
  let f0 = first(p, w0, at, add), f1 = first(p, w1, at + 16, add);
  const end = w + (<usize>count << 5);
  x += 24;
  w += 32;
  for (; w < end; w += 32) {
    w0 = v128.load(w); w1 = v128.load(w, 16);
    p = v128.load32_splat(x);
    a0 = madd(p, w0, a0); a1 = madd(p, w1, a1);
    p = v128.load32_splat(x, 4);
    b0 = madd(p, w0, b0); b1 = madd(p, w1, b1);
    p = v128.load32_splat(x, 8);
    c0 = madd(p, w0, c0); c1 = madd(p, w1, c1);
    p = v128.load32_splat(x, 12);
    d0 = madd(p, w0, d0); d1 = madd(p, w1, d1);
    p = v128.load32_splat(x, 16);
    e0 = madd(p, w0, e0); e1 = madd(p, w1, e1);
    p = v128.load32_splat(x, 20);
    f0 = madd(p, w0, f0); f1 = madd(p, w1, f1);
    x += 24;
  }
  v128.store(to, a0); v128.store(to, a1, 16);
  to += pitch;
  v128.store(to, b0); v128.store(to, b1, 16);
  to += pitch;
  v128.store(to, c0); v128.store(to, c1, 16);
  to += pitch;
  v128.store(to, d0); v128.store(to, d1, 16);
  to += pitch;
  v128.store(to, e0); v128.store(to, e1, 16);
  to += pitch;
  v128.store(to, f0); v128.store(to, f1, 16);
}

/**
 * Computes a tile and writes up to 6 rows, `pitch` bytes apart, and up to 8 columns, or adds them to the existing values.
 * @param sums TILE_BYTES of scratch
 */
export function productTo(
  to: usize, pitch: usize, rows: i32, columns: i32, add: bool, w: usize, x: usize, count: i32, sums: usize,
): void {
  if (rows == ROWS && columns == 8) {
    if (add) tileAdded(w, x, count, to, pitch);
    else tile(w, x, count, to, pitch);
    return;
  }
  tile(w, x, count, sums, 32);
  for (let r = 0; r < rows; r++) {
    if (columns == 8) {
      let low = v128.load(sums), high = v128.load(sums, 16);
      if (add) {
        low = f32x4.add(v128.load(to), low);
        high = f32x4.add(v128.load(to, 16), high);
      }
      v128.store(to, low);
      v128.store(to, high, 16);
    } else {
      for (let i: usize = 0; i < <usize>columns << 2; i += 4)
        store<f32>(to + i, add ? load<f32>(to + i) + load<f32>(sums + i) : load<f32>(sums + i));
    }
    sums += 32;
    to += pitch;
  }
}
