/**
 * Q5_0: value = d · (code − 16).
 *   packed, 8 rows × 32 columns: 8 half scales | nibbles (128) | fifth bits (32)                     = 176 bytes
 */
import { INT8 } from "../parts/format";
import { packRows } from "../parts/pack";
import { bit, highNibble, lowNibble, nibbles, placeBits, placeNibbles, spread } from "../parts/planes";
import { half4 } from "../parts/simd";
import { embedUnsigned, groupBytesUnsigned, matmulUnsigned, scratchBytesUnsigned } from "../parts/unsigned";

@unmanaged class Q5_0 {
  @inline stored(): usize { return 22; }
  @inline bytes(): usize { return 176; }
  @inline head(): usize { return 0; }
  @inline tile(): usize { return 176; }
  @inline tiles(): i32 { return 1; }
  @inline parts(): i32 { return 1; }
  @inline bias(): i32 { return 16; }
  @inline most(): i32 { return 31; }
  @inline first(): v128 { return i8x16.splat(15); }
  @inline second(): v128 { return i8x16.splat(16); }
  @inline minima(): bool { return false; }
  @inline d(half: i32): v128 { return half4(changetype<usize>(this) + 8 * half); }
  @inline m(half: i32): v128 { return f32x4.splat(0); }
  @inline scale(half: i32, part: i32, d: v128): v128 { return d; }
  @inline minimum(half: i32, part: i32, d: v128, m: v128): v128 { return m; }
  @inline raw(i: i32, half: i32): v128 { return nibbles(changetype<usize>(this) + 16, i, half); }
  @inline low(n: v128, i: i32, half: i32, first: v128, second: v128): v128 { return v128.or(lowNibble(n, first), bit(changetype<usize>(this) + 144, i, half, 4, second)); }
  @inline high(n: v128, i: i32, half: i32, first: v128, second: v128): v128 { return v128.or(highNibble(n, first), bit(changetype<usize>(this) + 144, i + 4, half, 4, second)); }
  @inline place(to: usize, row: usize, from: usize): void {
    store<u16>(to + 2 * row, load<u16>(from));
    placeNibbles(to + 16, row, v128.load(from, 6));
    placeBits(to + 144, row, spread(load<u16>(from, 2)), spread(load<u16>(from, 4)));
  }
}

export function activations_Q5_0(): i32 { return INT8; }
export function groupBytes_Q5_0(columns: i32): i32 { return groupBytesUnsigned<Q5_0>(columns); }
export function scratchBytes_Q5_0(columns: i32): i32 { return scratchBytesUnsigned<Q5_0>(columns); }
export function matmul_Q5_0(command: usize, thread: i32, threads: i32): void { matmulUnsigned<Q5_0>(command, thread, threads); }
export function embed_Q5_0(command: usize, thread: i32, threads: i32): void { embedUnsigned<Q5_0>(command, thread, threads); }
export function pack_Q5_0(command: usize, thread: i32, threads: i32): void { packRows<Q5_0>(command, thread, threads); }
