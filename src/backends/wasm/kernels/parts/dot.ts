/**
 * Dot products of signed activations and unsigned weights (at most 7 bits), 16 bytes each: 4 rows × 4 consecutive k. The
 * activations are the same for every row.
 * Sums of pairs are i16 (x86: pmaddubsw), or sums of four are i32 (ARM: sdot), selected by DOT_I32 at build time;
 * `widen` converts both to i32 sums per row.
 */
/** Set by the build. */
const I32: bool = isDefined(DOT_I32);

/** True if sums have 16 bits. */
@inline export function startsIn16(): bool { return !ASC_FEATURE_RELAXED_SIMD || !I32; }

@inline export function product(x: v128, w: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) {
    if (I32) return i32x4.relaxed_dot_i8x16_i7x16_add_s(x, w, i32x4.splat(0));
    return i16x8.relaxed_dot_i8x16_i7x16_s(x, w);
  }
  // x has the same 4 columns in every lane, so one half serves both
  const wide = i16x8.extend_low_i8x16_s(x);
  const low = i32x4.dot_i16x8_s(wide, i16x8.extend_low_i8x16_s(w));
  const high = i32x4.dot_i16x8_s(wide, i16x8.extend_high_i8x16_s(w));
  return i16x8.narrow_i32x4_s(low, high);
}

/** product(x, w) + sum */
@inline export function dot(x: v128, w: v128, sum: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD && I32) return i32x4.relaxed_dot_i8x16_i7x16_add_s(x, w, sum);
  return i16x8.add(sum, product(x, w));
}

/** Sums per row, i32. */
@inline export function widen(sum: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD && I32) return sum;
  return i32x4.extadd_pairwise_i16x8_s(sum);
}

/** Sums per row (i32) times scales (i16, each one twice). */
@inline export function widenScaled(sum: v128, scales: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD && I32) return i32x4.mul(sum, i32x4.shr_s(scales, 16));
  return i32x4.dot_i16x8_s(sum, scales);
}
