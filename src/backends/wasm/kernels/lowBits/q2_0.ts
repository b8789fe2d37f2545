/**
 * Q2_0: value = d · (code − 1), codes 0 … 3.
 *   packed, 8 rows × 64 columns: head   8 half d
 *                                2 tiles of two-bits (64)                              16 + 2 · 64 = 144 bytes
 */
import { eightDigits, sixteen } from "../parts/codebooks";
import { INT8 } from "../parts/format";
import { packRows } from "../parts/pack";
import { highTwoBits, lowTwoBits, placeTwoBits, twoBits } from "../parts/planes";
import { half4 } from "../parts/simd";
import { embedUnsigned, groupBytesUnsigned, matmulUnsigned, scratchBytesUnsigned } from "../parts/unsigned";

/** 16 codes of 2 bits at p. */
@inline function codes(p: usize): v128 { return sixteen(eightDigits(load<u16>(p)), eightDigits(load<u16>(p, 2))); }

@unmanaged class Q2_0 {
  @inline stored(): usize { return 18; }
  @inline bytes(): usize { return 144; }
  @inline head(): usize { return 16; }
  @inline tile(): usize { return 64; }
  @inline tiles(): i32 { return 2; }
  @inline parts(): i32 { return 1; }
  @inline bias(): i32 { return 1; }
  @inline most(): i32 { return 3; }
  @inline first(): v128 { return i8x16.splat(3); }
  @inline second(): v128 { return i8x16.splat(0); }
  @inline minima(): bool { return false; }
  @inline d(half: i32): v128 { return half4(changetype<usize>(this) + 8 * half); }
  @inline m(half: i32): v128 { return f32x4.splat(0); }
  @inline scales(part: i32): v128 { return i16x8.splat(1); }
  @inline raw(i: i32, half: i32): v128 { return twoBits(changetype<usize>(this), i, half); }
  @inline low(n: v128, i: i32, half: i32, first: v128, second: v128): v128 { return lowTwoBits(n, i, 0, first); }
  @inline high(n: v128, i: i32, half: i32, first: v128, second: v128): v128 { return highTwoBits(n, i, 0, first); }
  @inline place(to: usize, row: usize, from: usize): void {
    store<u16>(to + 2 * row, load<u16>(from));
    placeTwoBits(to + 16, row, codes(from + 2), codes(from + 6));
    placeTwoBits(to + 80, row, codes(from + 10), codes(from + 14));
  }
}

export function activations_Q2_0(): i32 { return INT8; }
export function groupBytes_Q2_0(columns: i32): i32 { return groupBytesUnsigned<Q2_0>(columns); }
export function scratchBytes_Q2_0(columns: i32): i32 { return scratchBytesUnsigned<Q2_0>(columns); }
export function matmul_Q2_0(command: usize, thread: i32, threads: i32): void { matmulUnsigned<Q2_0>(command, thread, threads); }
export function embed_Q2_0(command: usize, thread: i32, threads: i32): void { embedUnsigned<Q2_0>(command, thread, threads); }
export function pack_Q2_0(command: usize, thread: i32, threads: i32): void { packRows<Q2_0>(command, thread, threads); }
