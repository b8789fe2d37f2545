/**
 * Weights of the IQ2 formats as they are packed, whatever codebook their vectors are from:
 * value = d / 8 · (2s + 1) · levels[code], s of 16 columns in 0 … 15, codes of 3 bits: 0, 1, 2 for 8, 25, 43, + 4 for minus.
 *   packed, 8 rows × 256 columns: head   8 half d
 *                                 8 tiles of 8 u8 (2s + 1) of columns 0–15 | 8 of 16–31 | two-bits (64) | signs (32)
 *                                                                                       16 + 8 · 112 = 912 bytes
 * Planes have crossed quads (planes.ts).
 */
import { eightBits, eightDigits, vectorAt } from "./codebooks";
import { bit, crossed, highTwoBits, lookUp, lowTwoBits, placeBits, placeTwoBits, twoBits } from "./planes";
import { half4 } from "./simd";

@unmanaged export class SignedVectors {
  @inline bytes(): usize { return 912; }
  @inline head(): usize { return 16; }
  @inline tile(): usize { return 112; }
  @inline tiles(): i32 { return 8; }
  @inline parts(): i32 { return 2; }
  @inline d(half: i32): v128 { return f32x4.mul(half4(changetype<usize>(this) + 8 * half), f32x4.splat(0.125)); }
  @inline scales(part: i32): v128 { return v128.load8x8_u(changetype<usize>(this) + 8 * part); }
  @inline raw(i: i32, half: i32): v128 { return twoBits(changetype<usize>(this) + 16, i, half); }
  @inline codes(n: v128, i: i32, half: i32, upper: i32, first: v128, second: v128): v128 {
    const two = i8x16.splat(3), four = i8x16.splat(4), signs = changetype<usize>(this) + 80;
    if (upper) return lookUp(second, v128.or(highTwoBits(n, i, 0, two), bit(signs, i + 4, half, 2, four)));
    return lookUp(second, v128.or(lowTwoBits(n, i, 0, two), bit(signs, i, half, 2, four)));
  }
  @inline first(): v128 { return i8x16.splat(0); }
  @inline second(): v128 { return i8x16(8, 25, 43, 0, -8, -25, -43, 0, 0, 0, 0, 0, 0, 0, 0, 0); }
}

/** Codes of 8 columns. @param signs a bit for each column */
@inline export function eightCodes(codebook: usize, index: u32, signs: u32): u64 {
  return eightDigits(vectorAt(codebook, index)) | eightBits(signs) << 2;
}

/** Places a row's 32 columns of a tile. @param a, b codes of columns 0–15 and 16–31 */
@inline export function placeVectors(tile: usize, row: usize, s: u32, t: u32, a: v128, b: v128): void {
  store<u8>(tile + row, <u8>(2 * s + 1));
  store<u8>(tile + row, <u8>(2 * t + 1), 8);
  const first = crossed(a), second = crossed(b), three = i8x16.splat(3), one = i8x16.splat(1);
  placeTwoBits(tile + 16, row, v128.and(first, three), v128.and(second, three));
  placeBits(tile + 80, row, v128.and(i16x8.shr_u(first, 2), one), v128.and(i16x8.shr_u(second, 2), one));
}
