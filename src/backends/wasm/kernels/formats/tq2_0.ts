/**
 * TQ2_0: value = d · (code − 1), codes 0 … 2.
 *   packed, 8 rows × 256 columns: head   8 half d
 *                                 8 tiles of two-bits (64)                                16 + 8 · 64 = 528 bytes
 */
import { INT8 } from "../parts/format";
import { packRows } from "../parts/pack";
import { highTwoBits, lowTwoBits, placeTwoBits, twoBits } from "../parts/planes";
import { half4 } from "../parts/simd";
import { embedUnsigned, groupBytesUnsigned, matmulUnsigned, scratchBytesUnsigned } from "../parts/unsigned";

@unmanaged class TQ2_0 {
  @inline stored(): usize { return 66; }
  @inline bytes(): usize { return 528; }
  @inline head(): usize { return 16; }
  @inline tile(): usize { return 64; }
  @inline tiles(): i32 { return 8; }
  @inline parts(): i32 { return 1; }
  @inline bias(): i32 { return 1; }
  @inline minima(): bool { return false; }
  @inline d(half: i32): v128 { return half4(changetype<usize>(this) + 8 * half); }
  @inline m(half: i32): v128 { return f32x4.splat(0); }
  @inline scale(half: i32, part: i32, d: v128): v128 { return d; }
  @inline minimum(half: i32, part: i32, d: v128, m: v128): v128 { return m; }
  @inline raw(i: i32, half: i32): v128 { return twoBits(changetype<usize>(this), i, half); }
  @inline low(n: v128, i: i32, half: i32): v128 { return lowTwoBits(n, i, 0); }
  @inline high(n: v128, i: i32, half: i32): v128 { return highTwoBits(n, i, 0); }
  @inline place(to: usize, row: usize, from: usize): void {
    store<u16>(to + 2 * row, load<u16>(from, 64));
    to += 16;
    const three = i8x16.splat(3);
    for (let tile = 0; tile < 8; tile++) {
      const two = from + 32 * (tile >> 2), shift = 2 * (tile & 3);
      const a = v128.and(i16x8.shr_u(v128.load(two), shift), three);
      const b = v128.and(i16x8.shr_u(v128.load(two, 16), shift), three);
      placeTwoBits(to, row, a, b);
      to += 64;
    }
  }
}

export function activations_TQ2_0(): i32 { return INT8; }
export function groupBytes_TQ2_0(columns: i32): i32 { return groupBytesUnsigned<TQ2_0>(columns); }
export function scratchBytes_TQ2_0(columns: i32): i32 { return scratchBytesUnsigned<TQ2_0>(columns); }
export function matmul_TQ2_0(command: usize, thread: i32, threads: i32): void { matmulUnsigned<TQ2_0>(command, thread, threads); }
export function embed_TQ2_0(command: usize, thread: i32, threads: i32): void { embedUnsigned<TQ2_0>(command, thread, threads); }
export function pack_TQ2_0(from: usize, to: usize, groups: i32, columns: i32): void { packRows<TQ2_0>(from, to, groups, columns); }
