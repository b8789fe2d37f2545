/**
 * Weights of IQ1_S and IQ1_M as they are packed: value = d / 8 · (2s + 1) · (2 · code − 9), s of 16 columns in 0 … 7, and
 * 2 · code − 9 = 8t ± 1, t = −1, 0 or 1; code = 4 · (t + 1), + 1 for the plus sign. So it is a scale d / 4 · (2s + 1) and a
 * minimum −9 / 8 · d · (2s + 1).
 *   packed, 8 rows × 256 columns: head   8 half d
 *                                 8 tiles of 8 u8 (2s + 1) of columns 0–15 | 8 of 16–31 | two-bits t + 1 (64) | bits ± (32)
 *                                                                                       16 + 8 · 112 = 912 bytes
 */
import { bit, highTwoBits, lowTwoBits, placeBits, placeTwoBits, twoBits } from "./planes";
import { half4 } from "./simd";

@unmanaged export class ShiftedTernary {
  @inline bytes(): usize { return 912; }
  @inline head(): usize { return 16; }
  @inline tile(): usize { return 112; }
  @inline tiles(): i32 { return 8; }
  @inline parts(): i32 { return 2; }
  @inline bias(): i32 { return 0; }
  @inline most(): i32 { return 9; }
  @inline first(): v128 { return i8x16.splat(12); }
  @inline second(): v128 { return i8x16.splat(1); }
  @inline minima(): bool { return true; }
  @inline d(half: i32): v128 { return f32x4.mul(half4(changetype<usize>(this) + 8 * half), f32x4.splat(0.25)); }
  @inline m(half: i32): v128 { return f32x4.mul(half4(changetype<usize>(this) + 8 * half), f32x4.splat(-1.125)); }
  @inline scales(part: i32): v128 { return v128.load8x8_u(changetype<usize>(this) + 8 * part); }
  @inline floors(part: i32): v128 { return v128.load8x8_u(changetype<usize>(this) + 8 * part); }
  @inline raw(i: i32, half: i32): v128 { return twoBits(changetype<usize>(this) + 16, i, half); }
  @inline low(n: v128, i: i32, half: i32, first: v128, second: v128): v128 { return v128.or(lowTwoBits(n, i, 2, first), bit(changetype<usize>(this) + 80, i, half, 0, second)); }
  @inline high(n: v128, i: i32, half: i32, first: v128, second: v128): v128 { return v128.or(highTwoBits(n, i, 2, first), bit(changetype<usize>(this) + 80, i + 4, half, 0, second)); }
}

/** Places a row's 32 columns of a tile. @param a, b t + 1 of columns 0–15 and 16–31 @param plusA, plusB 1 for the plus sign */
@inline export function placeTile(tile: usize, row: usize, s: u32, t: u32, a: v128, b: v128, plusA: v128, plusB: v128): void {
  store<u8>(tile + row, <u8>(2 * s + 1));
  store<u8>(tile + row, <u8>(2 * t + 1), 8);
  placeTwoBits(tile + 16, row, a, b);
  placeBits(tile + 80, row, plusA, plusB);
}
