/**
 * Q4_0: value = d · (code − 8).
 *   packed, 8 rows × 32 columns: 8 half scales | nibbles (128)                                       = 144 bytes
 */
import { INT8 } from "../parts/format";
import { packRows } from "../parts/pack";
import { highNibble, lowNibble, nibbles, placeNibbles } from "../parts/planes";
import { half4, tinyHalf4 } from "../parts/simd";
import { embedUnsigned, groupBytesUnsigned, matmulUnsigned, scratchBytesUnsigned } from "../parts/unsigned";

@unmanaged class Q4_0 {
  @inline stored(): usize { return 18; }
  @inline bytes(): usize { return 144; }
  @inline head(): usize { return 0; }
  @inline tile(): usize { return 144; }
  @inline tiles(): i32 { return 1; }
  @inline parts(): i32 { return 1; }
  @inline bias(): i32 { return 8; }
  @inline most(): i32 { return 15; }
  @inline first(): v128 { return i8x16.splat(15); }
  @inline second(): v128 { return i8x16.splat(0); }
  @inline minima(): bool { return false; }
  @inline d(half: i32): v128 { return half4(changetype<usize>(this) + 8 * half); }
  @inline m(half: i32): v128 { return f32x4.splat(0); }
  @inline tinyD(half: i32, mask: v128): v128 { return tinyHalf4(changetype<usize>(this) + 8 * half, mask); }
  @inline tinyM(half: i32, mask: v128): v128 { return f32x4.splat(0); }
  @inline scale(half: i32, part: i32, d: v128): v128 { return d; }
  @inline minimum(half: i32, part: i32, d: v128, m: v128): v128 { return m; }
  @inline raw(i: i32, half: i32): v128 { return nibbles(changetype<usize>(this) + 16, i, half); }
  @inline low(n: v128, i: i32, half: i32, first: v128, second: v128): v128 { return lowNibble(n, first); }
  @inline high(n: v128, i: i32, half: i32, first: v128, second: v128): v128 { return highNibble(n, first); }
  @inline place(to: usize, row: usize, from: usize): void {
    store<u16>(to + 2 * row, load<u16>(from));
    placeNibbles(to + 16, row, v128.load(from, 2));
  }
}

export function activations_Q4_0(): i32 { return INT8; }
export function groupBytes_Q4_0(columns: i32): i32 { return groupBytesUnsigned<Q4_0>(columns); }
export function scratchBytes_Q4_0(columns: i32): i32 { return scratchBytesUnsigned<Q4_0>(columns); }
export function matmul_Q4_0(command: usize, thread: i32, threads: i32): void { matmulUnsigned<Q4_0>(command, thread, threads); }
export function embed_Q4_0(command: usize, thread: i32, threads: i32): void { embedUnsigned<Q4_0>(command, thread, threads); }
export function pack_Q4_0(command: usize, thread: i32, threads: i32): void { packRows<Q4_0>(command, thread, threads); }
