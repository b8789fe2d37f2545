/**
 * Converts a group's sums of codes to its contribution to a product, for weights with small unsigned codes.
 * unsigned.ts explains bias, records and formats.
 */
import { startsIn16, widen, widenScaled } from "./dot";
import { held, madd } from "./simd";

/** True if sums of codes could overflow i16 unless they start from −bias · lanes. */
@inline export function wraps<F>(f: F): bool { return startsIn16() && f.most() * 127 * (16 / f.parts()) > 32767; }

/** True if d·Σ accounts for the bias. */
@inline export function shifts<F>(f: F): bool { return f.bias() != 0 && !wraps<F>(f); }

/** −bias for `shifted` or `started`. */
@inline export function negated<F>(f: F): v128 {
  return held(wraps<F>(f) ? i16x8.splat(<i16>-f.bias()) : f32x4.splat(<f32>-f.bias()));
}

/** Contribution of the bias from the words d·Σ. */
@inline export function shifted<F>(f: F, totals: v128, bias: v128): v128 { return shifts<F>(f) ? f32x4.mul(totals, bias) : totals; }

/** Initial sums from the lanes. */
@inline export function started(lanes: v128, bias: v128): v128 { return i16x8.mul(lanes, bias); }

/** Scales a group's sums of codes. @param shift argument of `shifted` @param total d·Σ */
@inline export function scaled<F>(f: F, sum: v128, d: v128, shift: v128, scale: v128, total: v128, minimum: v128, acc: v128): v128 {
  const wide = f32x4.convert_i32x4_s(widen(sum));
  acc = madd(shifts<F>(f) ? madd(wide, d, shift) : f32x4.mul(wide, d), scale, acc);
  return f.minima() ? madd(total, minimum, acc) : acc;
}

/** Scratch of a product of one token, 32 bytes by group: sums (of all, or of a super-block), a super-block's minima, all. */
export const MINIMA: usize = 128;
export const ALL: usize = 256;
export const VECTOR_SUMS: usize = 384;

/** True if tiles have integer scales and the super-block has float scales. */
@inline export function isSuper<F>(): bool { return changetype<F>(0).tiles() > 1; }

/**
 * Adds the sums of 4 rows, scaled. A super-block's are multiplied with their integer scales in the instruction that adds up
 * their pairs; what its float scales are for waits for `gather`. Where there are minima, the bias is none of the values', only
 * keeps sums small, and what it took away is given back.
 * @param half rows 0–3 or 4–7 @param start what sums of a super-block's codes began with @param sums those of the group
 */
@inline export function addHalf<F>(
  w: usize, half: i32, part: i32, sum: v128, d: v128, shift: v128, total: v128, start: v128, sums: usize,
): void {
  const t = changetype<F>(w);
  sums += 16 * half;
  const acc = v128.load(sums);
  if (!isSuper<F>()) {
    const own = t.d(half);
    v128.store(sums, scaled<F>(t, sum, d, shift, t.scale(half, part, own), total, t.minimum(half, part, own, t.m(half)), acc));
    return;
  }
  const s = t.scales(part);
  const twice = half == 0 ? v128.shuffle<i16>(s, s, 0, 0, 1, 1, 2, 2, 3, 3) : v128.shuffle<i16>(s, s, 4, 4, 5, 5, 6, 6, 7, 7);
  let wide = widenScaled(sum, twice);
  if (changetype<F>(0).minima() && changetype<F>(0).bias() != 0) wide = i32x4.sub(wide, widenScaled(start, twice));
  v128.store(sums, madd(f32x4.convert_i32x4_s(wide), d, acc));
  if (changetype<F>(0).minima()) {
    const m = t.floors(part);
    const minima = half == 0 ? i32x4.extend_low_i16x8_u(m) : i32x4.extend_high_i16x8_u(m);
    v128.store(sums, madd(f32x4.convert_i32x4_s(minima), total, v128.load(sums, MINIMA)), MINIMA);
  }
}

/** Adds the scaled sums of a super-block to the total and resets them. */
@inline export function gather<F>(w: usize, sums: usize): void {
  gatherHalf<F>(w, 0, sums);
  gatherHalf<F>(w, 1, sums + 16);
}

@inline function gatherHalf<F>(w: usize, half: i32, sums: usize): void {
  const f = changetype<F>(w);
  let all = madd(v128.load(sums), f.d(half), v128.load(sums, ALL));
  v128.store(sums, f32x4.splat(0));
  if (changetype<F>(0).minima()) {
    all = madd(v128.load(sums, MINIMA), f.m(half), all);
    v128.store(sums, f32x4.splat(0), MINIMA);
  }
  v128.store(sums, all, ALL);
}
