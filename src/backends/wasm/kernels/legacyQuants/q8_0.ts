/**
 * Q8_0: value = d · code, codes −128 … 127.
 *   packed, 8 rows × 32 columns: 8 half scales | crossed quads [8][8 rows][4] int8 (256)             = 272 bytes
 */
import { INT16 } from "../parts/format";
import { packRows } from "../parts/pack";
import { placeCrossed } from "../parts/planes";
import { half4 } from "../parts/simd";
import { embedSigned, groupBytesSigned, matmulSigned, scratchBytesSigned } from "../parts/signed";

@unmanaged class Q8_0 {
  @inline stored(): usize { return 34; }
  @inline bytes(): usize { return 272; }
  @inline head(): usize { return 0; }
  @inline tile(): usize { return 272; }
  @inline tiles(): i32 { return 1; }
  @inline parts(): i32 { return 1; }
  @inline d(half: i32): v128 { return half4(changetype<usize>(this) + 8 * half); }
  @inline first(): v128 { return i8x16.splat(0); }
  @inline second(): v128 { return i8x16.splat(0); }
  @inline scale(half: i32, d: v128): v128 { return d; }
  @inline raw(i: i32, half: i32): v128 { return f32x4.splat(0); }
  @inline codes(n: v128, i: i32, half: i32, upper: i32, first: v128, second: v128): v128 {
    return v128.load(changetype<usize>(this) + 16 + 32 * (i + 4 * upper) + 16 * half);
  }
  @inline place(to: usize, row: usize, from: usize): void {
    store<u16>(to + 2 * row, load<u16>(from));
    placeCrossed(to + 16, row, from + 2);
    placeCrossed(to + 144, row, from + 18);
  }
}

export function activations_Q8_0(): i32 { return INT16; }
export function groupBytes_Q8_0(columns: i32): i32 { return groupBytesSigned<Q8_0>(columns); }
export function scratchBytes_Q8_0(columns: i32): i32 { return scratchBytesSigned(columns); }
export function matmul_Q8_0(command: usize, thread: i32, threads: i32): void { matmulSigned<Q8_0>(command, thread, threads); }
export function embed_Q8_0(command: usize, thread: i32, threads: i32): void { embedSigned<Q8_0>(command, thread, threads); }
export function pack_Q8_0(command: usize, thread: i32, threads: i32): void { packRows<Q8_0>(command, thread, threads); }
