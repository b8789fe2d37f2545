/**
 * Layout of the codes of 8 rows × 32 columns in packed weights. Rows are in SIMD lanes: a vector holds 4 rows (half 0:
 * rows 0–3, half 1: rows 4–7) × 4 consecutive columns, a quad; lane 4·row + k. Quads i and i+4 (i = 0 … 3) share bytes:
 *
 *   nibbles, 128 bytes   vector 2i+half     bits 0–3 quad i       bits 4–7 quad i+4
 *   two-bits, 64 bytes   vector 2p+half     bits 0–1 quad 2p      2–3 quad 2p+1     4–5 quad 2p+4     6–7 quad 2p+5
 *   bits, 32 bytes       vector half        bit q    quad q
 *   six-bits, 96 bytes   vector 2i+half     bits 0–5 quad i of 16 columns, i = 0 … 2; bits 6–7 of the three: bits 2i, 2i+1 of quad 3
 *
 * Signed formats multiply columns in pairs (signed.ts), for which quads are crossed, in nibbles and in bytes: columns
 * 0, 2, 1, 3.
 */

@inline export function nibbles(p: usize, i: i32, half: i32): v128 { return v128.load(p + 32 * i + 16 * half); }
/** @param mask 15 in every byte; masks are handed on from before the loops, see simd.ts' `held` */
@inline export function lowNibble(n: v128, mask: v128): v128 { return v128.and(n, mask); }
@inline export function highNibble(n: v128, mask: v128): v128 { return v128.and(i16x8.shr_u(n, 4), mask); }

@inline export function twoBits(p: usize, i: i32, half: i32): v128 { return v128.load(p + 32 * (i >> 1) + 16 * half); }

/** Moves bits of v from position q to position `to`. The caller masks the bits that cross into another byte. */
@inline export function moved(v: v128, q: i32, to: i32): v128 {
  return q > to ? i16x8.shr_u(v, q - to) : q < to ? i16x8.shl(v, to - q) : v;
}

/** Quad i and quad i+4 of a vector of two-bits, moved to bit `to`. @param mask bits `to` and `to`+1 of every byte */
@inline export function lowTwoBits(n: v128, i: i32, to: i32, mask: v128): v128 { return v128.and(moved(n, 2 * (i & 1), to), mask); }
@inline export function highTwoBits(n: v128, i: i32, to: i32, mask: v128): v128 { return v128.and(moved(n, 4 + 2 * (i & 1), to), mask); }

/** Quad i of half `half` of the bits at p, moved to bit `to`. @param mask bit `to` of every byte */
@inline export function bit(p: usize, i: i32, half: i32, to: i32, mask: v128): v128 {
  return v128.and(moved(v128.load(p + 16 * half), i, to), mask);
}

/** Quad i of six-bits. @param low bits 0–5 of every byte @param high bits 6–7 of every byte */
@inline export function six(p: usize, i: i32, half: i32, low: v128, high: v128): v128 {
  p += 16 * half;
  return i < 3 ? v128.and(v128.load(p + 32 * i), low) : lastOfSix(v128.load(p), v128.load(p, 32), v128.load(p, 64), high);
}

/** Masks each operand before its shift, so that no bit crosses into another byte. */
@inline function lastOfSix(a: v128, b: v128, c: v128, high: v128): v128 {
  const ab = v128.or(i16x8.shr_u(v128.and(a, high), 2), v128.and(b, high));
  return i16x8.shr_u(v128.or(i16x8.shr_u(ab, 2), v128.and(c, high)), 2);
}

/** Offset of a row's first quad in a plane. */
@inline function lane(plane: usize, row: usize): usize { return plane + 16 * (row >> 2) + 4 * (row & 3); }

/** Places a row's 32 nibbles. @param n the row's columns 0–15 in the low nibbles, 16–31 in the high ones */
@inline export function placeNibbles(plane: usize, row: usize, n: v128): void {
  const to = lane(plane, row);
  v128.store32_lane(to, n, 0);
  v128.store32_lane(to, n, 1, 32);
  v128.store32_lane(to, n, 2, 64);
  v128.store32_lane(to, n, 3, 96);
}

/** Places 4 quads of a row, crossed. @param from 16 codes of a byte, or 32 nibbles as placeNibbles takes them */
@inline export function placeCrossed(plane: usize, row: usize, from: usize): void {
  placeNibbles(plane, row, crossed(v128.load(from)));
}

/** 4 quads, or two times 4 in nibbles, with columns 0, 2, 1, 3. */
@inline export function crossed(v: v128): v128 {
  return v128.shuffle<i8>(v, v, 0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15);
}

/** Places 16 columns of a row. @param codes 0 … 63 in each byte */
@inline export function placeSix(plane: usize, row: usize, codes: v128): void {
  const to = lane(plane, row);
  const last = i32x4.extract_lane(codes, 3);
  store<u32>(to, i32x4.extract_lane(codes, 0) | (last & 0x03030303) << 6);
  store<u32>(to, i32x4.extract_lane(codes, 1) | (last & 0x0c0c0c0c) << 4, 32);
  store<u32>(to, i32x4.extract_lane(codes, 2) | (last & 0x30303030) << 2, 64);
}

/** The nibbles of columns 0–15 and 16–31 as placeNibbles takes them: bits 0–3 of the codes a and b. */
@inline export function joined(a: v128, b: v128): v128 {
  const mask = i8x16.splat(15);
  return v128.or(lowNibble(a, mask), i16x8.shl(lowNibble(b, mask), 4));
}

/** Places two bits of a row's 32 columns. @param a columns 0–15 @param b columns 16–31; 0 … 3 in each byte */
@inline export function placeTwoBits(plane: usize, row: usize, a: v128, b: v128): void {
  const to = lane(plane, row);
  const ab = v128.or(a, i16x8.shl(b, 4));
  // quads 2p+1 and 2p+5 are in the odd words
  const words = v128.or(ab, i64x2.shl(i64x2.shr_u(ab, 32), 2));
  v128.store32_lane(to, words, 0);
  v128.store32_lane(to, words, 2, 32);
}

/** Places one bit of a row's 32 columns. @param a columns 0–15 @param b columns 16–31; 0 or 1 in each byte */
@inline export function placeBits(plane: usize, row: usize, a: v128, b: v128): void {
  const ab = v128.or(a, i16x8.shl(b, 4));
  const words = v128.or(ab, i64x2.shl(i64x2.shr_u(ab, 32), 1));
  store<u32>(lane(plane, row), i32x4.extract_lane(words, 0) | (i32x4.extract_lane(words, 2) << 2));
}

/** Entries of a table, by indices 0 … 15. */
@inline export function lookUp(table: v128, indices: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return i8x16.relaxed_swizzle(table, indices);
  return i8x16.swizzle(table, indices);
}

/** 16 bits → 16 bytes of 0 or 1. */
@inline export function spread(bits: u32): v128 {
  const bytes = i8x16.swizzle(i32x4.splat(bits), i8x16(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1));
  const masks = i64x2.splat(<i64>0x8040201008040201);
  return v128.and(i8x16.eq(v128.and(bytes, masks), masks), i8x16.splat(1));
}

@inline function wide4(p: usize): v128 {
  return i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.load32_zero(p)));
}

/** Four bytes at p as f32, one of each of 4 rows. */
@inline export function unsigned4(p: usize): v128 { return f32x4.convert_i32x4_s(wide4(p)); }
@inline export function signed4(p: usize): v128 {
  return f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(i16x8.extend_low_i8x16_s(v128.load32_zero(p))));
}

/** The low and the high nibbles of four bytes at p as f32. */
@inline export function lowNibble4(p: usize): v128 { return f32x4.convert_i32x4_s(v128.and(wide4(p), i32x4.splat(15))); }
@inline export function highNibble4(p: usize): v128 { return f32x4.convert_i32x4_s(i32x4.shr_u(wide4(p), 4)); }

/** Four exponents of 8 bits at p as powers of two, 2^(e − 127): f32 keeps them the same way (0 becomes 0, 255 infinity). */
@inline export function power4(p: usize): v128 { return i32x4.shl(wide4(p), 23); }

/** Four floats of 7 bits at p, 4 of exponent and 3 of mantissa: in their f32 places they are 2^−120 of what they are. */
@inline export function float8(p: usize): v128 { return f32x4.mul(i32x4.shl(wide4(p), 20), f32x4.splat(reinterpret<f32>(0x7b800000))); }
