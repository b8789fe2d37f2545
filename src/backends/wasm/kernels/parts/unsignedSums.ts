/**
 * The end of a block of columns in products of unsigned.ts: an integer sum is scaled and added to a row's f32 sum. Every
 * product of the family, of one token or of many, adds its sums here and in the same order, so that a row's result has
 * the same bits whatever the number of tokens beside it.
 *
 * Formats without super-blocks add  sum · d · scale + total · minimum  to the row's sum for every 32 columns, or 16.
 * Formats with super-blocks multiply sums with the integer scales of their tiles and add the products up in f32, weighted
 * by the activations' d; at the end of the super-block `gather` multiplies with its float scales.
 */
import { startsIn16, widen, widenScaled } from "./dot";
import { held, madd } from "./simd";

/**
 * Scratch of the sums. An entry has 32 bytes, of 8 rows: a group of rows in products of one token, a token in others.
 *   0         f32 sums; of the super-block, if there is one
 *   MINIMA    f32 sums of the super-block's minima
 *   ALL       f32 sums of all super-blocks
 *   FIRST     i32 sums of a tile's first 16 columns, which wait for the other 16
 */
export const MINIMA: usize = 256;
export const ALL: usize = 512;
export const FIRST: usize = 768;
/** Bytes of the scratch of 8 entries. */
export const SUMS: usize = 1024;

/** True if scales of tiles are integers, under float scales of the super-block. */
@inline export function isSuper<F>(): bool { return changetype<F>(0).tiles() > 1; }

/** True if codes are nibbles with a scale per 32 columns. Their scales stay tiny: see tinyHalf4 in simd.ts. */
@inline export function isNibbles<F>(): bool {
  const f = changetype<F>(0);
  return f.parts() == 1 && f.tiles() == 1 && f.most() == 15;
}

/** True if sums of codes could leave i16 unless they start from −bias · lanes. */
@inline export function wraps<F>(f: F): bool { return startsIn16() && f.most() * 127 * (16 / f.parts()) > 32767; }

/** True if sums start from −bias · lanes. */
@inline export function starts<F>(): bool {
  const f = changetype<F>(0);
  return isSuper<F>() ? f.bias() != 0 : wraps<F>(f);
}

/** True if d·Σ brings in the bias. */
@inline export function shifts<F>(f: F): bool { return !isSuper<F>() && f.bias() != 0 && !wraps<F>(f); }

/** −bias, as `shifted` or `started` takes it. */
@inline export function negated<F>(f: F): v128 {
  return held(starts<F>() ? i16x8.splat(<i16>-f.bias()) : f32x4.splat(<f32>-f.bias()));
}

/** Words d·Σ → the term that brings in the bias. */
@inline export function shifted<F>(f: F, totals: v128, bias: v128): v128 { return shifts<F>(f) ? f32x4.mul(totals, bias) : totals; }

/** Lanes → the value that sums start from. */
@inline export function started(lanes: v128, bias: v128): v128 {
  const start = i16x8.mul(lanes, bias);
  return startsIn16() ? start : i32x4.extadd_pairwise_i16x8_s(start);
}

/** A sum that began with its first product, as if it had started from `start`. */
@inline export function withStart<F>(sum: v128, start: v128): v128 {
  if (!starts<F>()) return sum;
  return startsIn16() ? i16x8.add(sum, start) : i32x4.add(sum, start);
}

/**
 * Scale and minimum of 4 rows of a tile, as `addSum` takes them. Those of nibbles are 2^−56 of what they are, so that sums
 * are as small as those of nibbleVector.ts and lose the same bits, if any.
 * @param half rows 0–3 or 4–7 @param mask of halfMask @param factor of balance
 */
@inline export function scaleOf<F>(w: usize, half: i32, part: i32, mask: v128, factor: v128): v128 {
  const t = changetype<F>(w);
  if (isNibbles<F>()) return f32x4.mul(t.tinyD(half, mask), factor);
  if (!isSuper<F>()) return t.scale(half, part, t.d(half));
  const s = t.scales(part);
  return half == 0 ? v128.shuffle<i16>(s, s, 0, 0, 1, 1, 2, 2, 3, 3) : v128.shuffle<i16>(s, s, 4, 4, 5, 5, 6, 6, 7, 7);
}
@inline export function minimumOf<F>(w: usize, half: i32, part: i32, mask: v128, factor: v128): v128 {
  const t = changetype<F>(w);
  if (!changetype<F>(0).minima()) return mask;
  if (isNibbles<F>()) return f32x4.mul(t.tinyM(half, mask), factor);
  if (!isSuper<F>()) return t.minimum(half, part, t.d(half), t.m(half));
  const m = t.floors(part);
  return f32x4.convert_i32x4_s(half == 0 ? i32x4.extend_low_i16x8_u(m) : i32x4.extend_high_i16x8_u(m));
}

/**
 * Adds the sums of 4 rows. Where a super-block has minima, the bias is no part of its values: it only keeps sums small,
 * and what it took away is given back.
 * @param d scale of the activations @param total d·Σ @param shift of `shifted` @param start of `started` @param sums the entry
 */
@inline export function addSum<F>(
  part: i32, sum: v128, scale: v128, minimum: v128, d: v128, shift: v128, total: v128, start: v128, sums: usize,
): void {
  const f = changetype<F>(0);
  if (!isSuper<F>()) {
    v128.store(sums, scaled<F>(f, sum, d, shift, scale, total, minimum, v128.load(sums)));
    return;
  }
  let wide = widenScaled(sum, scale);
  if (f.minima() && f.bias() != 0) wide = i32x4.sub(wide, widenScaled(start, scale));
  if (f.parts() == 2 && part == 0) v128.store(sums, wide, FIRST);
  else {
    if (f.parts() == 2) wide = i32x4.add(v128.load(sums, FIRST), wide);
    v128.store(sums, madd(f32x4.convert_i32x4_s(wide), d, v128.load(sums)));
  }
  if (f.minima()) v128.store(sums, madd(minimum, total, v128.load(sums, MINIMA)), MINIMA);
}

/** A sum of formats without super-blocks, scaled and added to acc. */
@inline export function scaled<F>(f: F, sum: v128, d: v128, shift: v128, scale: v128, total: v128, minimum: v128, acc: v128): v128 {
  const wide = f32x4.convert_i32x4_s(widen(sum));
  acc = madd(shifts<F>(f) ? madd(wide, d, shift) : f32x4.mul(wide, d), scale, acc);
  return f.minima() ? madd(total, minimum, acc) : acc;
}

/** Adds an entry's sums of a super-block, scaled, to those of all, and clears them. @param d0 … m1 of rows 0–3 and 4–7 */
@inline export function gather<F>(d0: v128, d1: v128, m0: v128, m1: v128, sums: usize): void {
  gatherHalf<F>(d0, m0, sums);
  gatherHalf<F>(d1, m1, sums + 16);
}

@inline function gatherHalf<F>(d: v128, m: v128, sums: usize): void {
  let all = madd(v128.load(sums), d, v128.load(sums, ALL));
  v128.store(sums, f32x4.splat(0));
  if (changetype<F>(0).minima()) {
    all = madd(v128.load(sums, MINIMA), m, all);
    v128.store(sums, f32x4.splat(0), MINIMA);
  }
  v128.store(sums, all, ALL);
}

/** Clears the first `entries` entries. */
@inline export function clearSums<F>(sums: usize, entries: usize): void {
  for (const end = sums + (entries << 5); sums < end; sums += 16) {
    v128.store(sums, f32x4.splat(0));
    if (isSuper<F>()) {
      v128.store(sums, f32x4.splat(0), MINIMA);
      v128.store(sums, f32x4.splat(0), ALL);
    }
  }
}

/** An entry's result of rows 0–3, or of 4–7 with sums + 16. @param factor of balance() in simd.ts */
@inline export function resultOf<F>(sums: usize, factor: v128): v128 {
  if (isSuper<F>()) return v128.load(sums, ALL);
  return isNibbles<F>() ? f32x4.mul(v128.load(sums), factor) : v128.load(sums);
}
