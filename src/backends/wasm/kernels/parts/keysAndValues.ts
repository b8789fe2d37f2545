/** Products of 4 query rows with 8 keys, and of 4 rows of probabilities with values, for each format of the cache. */
import { halvesHigh, halvesLow, halvesMask, PAGE } from "./cache";
import { half, half4, madd, spread0, spread1, spread2, spread3 } from "./simd";

/** Dots of 4 query rows with 8 keys → [2 × 4 positions][4 rows][4 positions]. */
@inline function storeScores(s: usize, a0: v128, b0: v128, c0: v128, d0: v128, a1: v128, b1: v128, c1: v128, d1: v128): void {
  v128.store(s, a0); v128.store(s, b0, 16); v128.store(s, c0, 32); v128.store(s, d0, 48);
  v128.store(s, a1, 64); v128.store(s, b1, 80); v128.store(s, c1, 96); v128.store(s, d1, 112);
}

export function scoresF32(q: usize, k: usize, size: usize, s: usize): void {
  let a0 = f32x4.splat(0), b0 = a0, c0 = a0, d0 = a0, a1 = a0, b1 = a0, c1 = a0, d1 = a0;
  const end = q + (size << 4);
  do {
    const k0 = v128.load(k), k1 = v128.load(k, 16);
    const four = v128.load(q);
    let x = spread0(four);
    a0 = madd(k0, x, a0); a1 = madd(k1, x, a1);
    x = spread1(four);
    b0 = madd(k0, x, b0); b1 = madd(k1, x, b1);
    x = spread2(four);
    c0 = madd(k0, x, c0); c1 = madd(k1, x, c1);
    x = spread3(four);
    d0 = madd(k0, x, d0); d1 = madd(k1, x, d1);
    k += 32;
    q += 16;
  } while (q < end);
  storeScores(s, a0, b0, c0, d0, a1, b1, c1, d1);
}

export function scoresF16(q: usize, k: usize, size: usize, s: usize): void {
  let a0 = f32x4.splat(0), b0 = a0, c0 = a0, d0 = a0, a1 = a0, b1 = a0, c1 = a0, d1 = a0;
  const mask = halvesMask(), end = q + (size << 4);
  do {
    const key = v128.load(k);
    const k0 = halvesLow(key, mask), k1 = halvesHigh(key, mask);
    const four = v128.load(q);
    let x = spread0(four);
    a0 = madd(k0, x, a0); a1 = madd(k1, x, a1);
    x = spread1(four);
    b0 = madd(k0, x, b0); b1 = madd(k1, x, b1);
    x = spread2(four);
    c0 = madd(k0, x, c0); c1 = madd(k1, x, c1);
    x = spread3(four);
    d0 = madd(k0, x, d0); d1 = madd(k1, x, d1);
    k += 16;
    q += 16;
  } while (q < end);
  storeScores(s, a0, b0, c0, d0, a1, b1, c1, d1);
}

@inline function pairs(k: v128, x: v128, sum: v128): v128 { return i32x4.add(sum, i32x4.dot_i16x8_s(k, x)); }

/** Multiplies codes as integers. Keys have one scale per 32 columns, queries one scale in total. */
export function scoresQ8(q: usize, k: usize, size: usize, s: usize, scales: v128): void {
  let A0 = f32x4.splat(0), B0 = A0, C0 = A0, D0 = A0, A1 = A0, B1 = A0, C1 = A0, D1 = A0;
  const end = q + (size << 3);
  do {
    const s0 = half4(k), s1 = half4(k + 8);
    let a0 = i32x4.splat(0), b0 = a0, c0 = a0, d0 = a0, a1 = a0, b1 = a0, c1 = a0, d1 = a0;
    k += 16;
    const last = q + 256;
    do {
      const k0 = v128.load8x8_s(k), k1 = v128.load8x8_s(k, 8);
      const four = v128.load(q);
      let x = spread0(four);
      a0 = pairs(k0, x, a0); a1 = pairs(k1, x, a1);
      x = spread1(four);
      b0 = pairs(k0, x, b0); b1 = pairs(k1, x, b1);
      x = spread2(four);
      c0 = pairs(k0, x, c0); c1 = pairs(k1, x, c1);
      x = spread3(four);
      d0 = pairs(k0, x, d0); d1 = pairs(k1, x, d1);
      k += 16;
      q += 16;
    } while (q < last);
    A0 = madd(f32x4.convert_i32x4_s(a0), s0, A0); A1 = madd(f32x4.convert_i32x4_s(a1), s1, A1);
    B0 = madd(f32x4.convert_i32x4_s(b0), s0, B0); B1 = madd(f32x4.convert_i32x4_s(b1), s1, B1);
    C0 = madd(f32x4.convert_i32x4_s(c0), s0, C0); C1 = madd(f32x4.convert_i32x4_s(c1), s1, C1);
    D0 = madd(f32x4.convert_i32x4_s(d0), s0, D0); D1 = madd(f32x4.convert_i32x4_s(d1), s1, D1);
  } while (q < end);
  const a = spread0(scales), b = spread1(scales);
  const c = spread2(scales), d = spread3(scales);
  storeScores(
    s, f32x4.mul(A0, a), f32x4.mul(B0, b), f32x4.mul(C0, c), f32x4.mul(D0, d),
    f32x4.mul(A1, a), f32x4.mul(B1, b), f32x4.mul(C1, c), f32x4.mul(D1, d),
  );
}

/**
 * Adds 8 columns of values, weighted for 4 rows, to the mix. @param w [positions][4 rows], to `end` @param page address of the
 * first page's address @param at offset of the values in a page @param stride stride of mix's rows
 */
export function mixF32(w: usize, end: usize, page: usize, at: usize, rowBytes: usize, mix: usize, stride: usize): void {
  let a0 = v128.load(mix), a1 = v128.load(mix, 16);
  let b0 = v128.load(mix + stride), b1 = v128.load(mix + stride, 16);
  let c0 = v128.load(mix + 2 * stride), c1 = v128.load(mix + 2 * stride, 16);
  let d0 = v128.load(mix + 3 * stride), d1 = v128.load(mix + 3 * stride, 16);
  do {
    let v = load<u32>(page) + at;
    page += 4;
    const last = min(end, w + (PAGE << 4));
    do {
      const v0 = v128.load(v), v1 = v128.load(v, 16);
      const four = v128.load(w);
      let p = spread0(four);
      a0 = madd(v0, p, a0); a1 = madd(v1, p, a1);
      p = spread1(four);
      b0 = madd(v0, p, b0); b1 = madd(v1, p, b1);
      p = spread2(four);
      c0 = madd(v0, p, c0); c1 = madd(v1, p, c1);
      p = spread3(four);
      d0 = madd(v0, p, d0); d1 = madd(v1, p, d1);
      v += rowBytes;
      w += 16;
    } while (w < last);
  } while (w < end);
  storeMix(mix, stride, a0, a1, b0, b1, c0, c1, d0, d1);
}

export function mixF16(w: usize, end: usize, page: usize, at: usize, rowBytes: usize, mix: usize, stride: usize): void {
  let a0 = v128.load(mix), a1 = v128.load(mix, 16);
  let b0 = v128.load(mix + stride), b1 = v128.load(mix + stride, 16);
  let c0 = v128.load(mix + 2 * stride), c1 = v128.load(mix + 2 * stride, 16);
  let d0 = v128.load(mix + 3 * stride), d1 = v128.load(mix + 3 * stride, 16);
  const mask = halvesMask();
  do {
    let v = load<u32>(page) + at;
    page += 4;
    const last = min(end, w + (PAGE << 4));
    do {
      const value = v128.load(v);
      const v0 = halvesLow(value, mask), v1 = halvesHigh(value, mask);
      const four = v128.load(w);
      let p = spread0(four);
      a0 = madd(v0, p, a0); a1 = madd(v1, p, a1);
      p = spread1(four);
      b0 = madd(v0, p, b0); b1 = madd(v1, p, b1);
      p = spread2(four);
      c0 = madd(v0, p, c0); c1 = madd(v1, p, c1);
      p = spread3(four);
      d0 = madd(v0, p, d0); d1 = madd(v1, p, d1);
      v += rowBytes;
      w += 16;
    } while (w < last);
  } while (w < end);
  storeMix(mix, stride, a0, a1, b0, b1, c0, c1, d0, d1);
}

/** @param at offset of the block of 32 columns in a page @param inside first of the 8 columns in the block */
export function mixQ8(w: usize, end: usize, page: usize, at: usize, inside: usize, rowBytes: usize, mix: usize, stride: usize): void {
  let a0 = v128.load(mix), a1 = v128.load(mix, 16);
  let b0 = v128.load(mix + stride), b1 = v128.load(mix + stride, 16);
  let c0 = v128.load(mix + 2 * stride), c1 = v128.load(mix + 2 * stride, 16);
  let d0 = v128.load(mix + 3 * stride), d1 = v128.load(mix + 3 * stride, 16);
  do {
    let v = load<u32>(page) + at;
    page += 4;
    const last = min(end, w + (PAGE << 4));
    do {
      const scale = f32x4.splat(half(v));
      const codes = v128.load8x8_s(v + inside, 2);
      const v0 = f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(codes)), scale);
      const v1 = f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(codes)), scale);
      const four = v128.load(w);
      let p = spread0(four);
      a0 = madd(v0, p, a0); a1 = madd(v1, p, a1);
      p = spread1(four);
      b0 = madd(v0, p, b0); b1 = madd(v1, p, b1);
      p = spread2(four);
      c0 = madd(v0, p, c0); c1 = madd(v1, p, c1);
      p = spread3(four);
      d0 = madd(v0, p, d0); d1 = madd(v1, p, d1);
      v += rowBytes;
      w += 16;
    } while (w < last);
  } while (w < end);
  storeMix(mix, stride, a0, a1, b0, b1, c0, c1, d0, d1);
}

@inline function storeMix(
  mix: usize, stride: usize, a0: v128, a1: v128, b0: v128, b1: v128, c0: v128, c1: v128, d0: v128, d1: v128,
): void {
  v128.store(mix, a0); v128.store(mix, a1, 16);
  v128.store(mix + stride, b0); v128.store(mix + stride, b1, 16);
  v128.store(mix + 2 * stride, c0); v128.store(mix + 2 * stride, c1, 16);
  v128.store(mix + 3 * stride, d0); v128.store(mix + 3 * stride, d1, 16);
}
