/**
 * Packed ternary weights, the same for all file formats: value = d · (code − 1), codes 0 … 2.
 *   packed, 8 rows × 256 columns: head   8 half d
 *                                 8 tiles of two-bits (64)                                16 + 8 · 64 = 528 bytes
 */
import { highTwoBits, lowTwoBits, twoBits } from "./planes";
import { half4 } from "./simd";

@unmanaged export class Ternary {
  @inline bytes(): usize { return 528; }
  @inline head(): usize { return 16; }
  @inline tile(): usize { return 64; }
  @inline tiles(): i32 { return 8; }
  @inline parts(): i32 { return 1; }
  @inline bias(): i32 { return 1; }
  @inline most(): i32 { return 2; }
  @inline first(): v128 { return i8x16.splat(3); }
  @inline second(): v128 { return i8x16.splat(0); }
  @inline minima(): bool { return false; }
  @inline d(half: i32): v128 { return half4(changetype<usize>(this) + 8 * half); }
  @inline m(half: i32): v128 { return f32x4.splat(0); }
  @inline scale(half: i32, part: i32, d: v128): v128 { return d; }
  @inline minimum(half: i32, part: i32, d: v128, m: v128): v128 { return m; }
  @inline scales(part: i32): v128 { return i16x8.splat(1); }
  @inline raw(i: i32, half: i32): v128 { return twoBits(changetype<usize>(this), i, half); }
  @inline low(n: v128, i: i32, half: i32, first: v128, second: v128): v128 { return lowTwoBits(n, i, 0, first); }
  @inline high(n: v128, i: i32, half: i32, first: v128, second: v128): v128 { return highTwoBits(n, i, 0, first); }
}
