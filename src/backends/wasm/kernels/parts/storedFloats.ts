/** Floats as files store them: F32, F16 and BF16, little-endian. */
import { bfloat4, half4 } from "./simd";

/** Kinds of floats, as compress/storedFloats.ts numbers them. */
export const F16: i32 = 1;
export const BF16: i32 = 2;

/** Bytes of a float. */
@inline export function floatBytes(kind: i32): i32 { return kind == 0 ? 4 : 2; }

/** A vector that is zero unless one of the words has all bits of `mask`: the exponent of infinity and NaN. */
@inline function isSpecial16(x: usize, mask: v128): v128 { return i16x8.eq(v128.and(v128.load(x), mask), mask); }
@inline function isSpecial32(x: usize, mask: v128): v128 { return i32x4.eq(v128.and(v128.load(x), mask), mask); }

/**
 * Converts 32 floats. @param to receives them in F32; unused for F32 itself
 * @returns a vector that is zero if all of them are finite
 */
@inline export function take32(kind: i32, from: usize, to: usize): v128 {
  let special = i32x4.splat(0);
  if (kind == F16) {
    const mask = i16x8.splat(0x7c00);
    for (let at: usize = 0; at < 64; at += 16) {
      special = v128.or(special, isSpecial16(from + at, mask));
      v128.store(to + (at << 1), half4(from + at));
      v128.store(to + (at << 1), half4(from + at + 8), 16);
    }
  } else if (kind == BF16) {
    const mask = i16x8.splat(0x7f80);
    for (let at: usize = 0; at < 64; at += 16) {
      special = v128.or(special, isSpecial16(from + at, mask));
      v128.store(to + (at << 1), bfloat4(from + at));
      v128.store(to + (at << 1), bfloat4(from + at + 8), 16);
    }
  } else {
    const mask = i32x4.splat(0x7f800000);
    for (let at: usize = 0; at < 128; at += 16) special = v128.or(special, isSpecial32(from + at, mask));
  }
  return special;
}
