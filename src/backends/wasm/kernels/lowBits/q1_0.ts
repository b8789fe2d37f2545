/**
 * Q1_0: value = d · (code − 1), code 0 or 2.
 *   packed, 8 rows × 128 columns: head   8 half d
 *                                 4 tiles of bits (32)                                 16 + 4 · 32 = 144 bytes
 */
import { INT8 } from "../parts/format";
import { packRows } from "../parts/pack";
import { moved, placeBits, spread } from "../parts/planes";
import { half4 } from "../parts/simd";
import { embedUnsigned, groupBytesUnsigned, matmulUnsigned, scratchBytesUnsigned } from "../parts/unsigned";

@unmanaged class Q1_0 {
  @inline stored(): usize { return 18; }
  @inline bytes(): usize { return 144; }
  @inline head(): usize { return 16; }
  @inline tile(): usize { return 32; }
  @inline tiles(): i32 { return 4; }
  @inline parts(): i32 { return 1; }
  @inline bias(): i32 { return 1; }
  @inline most(): i32 { return 2; }
  @inline first(): v128 { return i8x16.splat(2); }
  @inline second(): v128 { return i8x16.splat(0); }
  @inline minima(): bool { return false; }
  @inline d(half: i32): v128 { return half4(changetype<usize>(this) + 8 * half); }
  @inline m(half: i32): v128 { return f32x4.splat(0); }
  @inline scales(part: i32): v128 { return i16x8.splat(1); }
  @inline raw(i: i32, half: i32): v128 { return v128.load(changetype<usize>(this) + 16 * half); }
  @inline low(n: v128, i: i32, half: i32, first: v128, second: v128): v128 { return v128.and(moved(n, i, 1), first); }
  @inline high(n: v128, i: i32, half: i32, first: v128, second: v128): v128 { return v128.and(moved(n, i + 4, 1), first); }
  @inline place(to: usize, row: usize, from: usize): void {
    store<u16>(to + 2 * row, load<u16>(from));
    to += 16;
    for (let tile = 0; tile < 4; tile++) {
      placeBits(to, row, spread(load<u16>(from, 2)), spread(load<u16>(from, 4)));
      to += 32;
      from += 4;
    }
  }
}

export function activations_Q1_0(): i32 { return INT8; }
export function groupBytes_Q1_0(columns: i32): i32 { return groupBytesUnsigned<Q1_0>(columns); }
export function scratchBytes_Q1_0(columns: i32): i32 { return scratchBytesUnsigned<Q1_0>(columns); }
export function matmul_Q1_0(command: usize, thread: i32, threads: i32): void { matmulUnsigned<Q1_0>(command, thread, threads); }
export function embed_Q1_0(command: usize, thread: i32, threads: i32): void { embedUnsigned<Q1_0>(command, thread, threads); }
export function pack_Q1_0(command: usize, thread: i32, threads: i32): void { packRows<Q1_0>(command, thread, threads); }
