/**
 * MXFP4: value = 2^(e − 128) · (code − 12), doubled values 0, 1, 2, 3, 4, 6, 8, 12 and their negatives + 12 as codes.
 *   packed, 8 rows × 32 columns: 8 exponents e | nibbles (128), indices of codes                     = 136 bytes
 */
import { INT8 } from "../parts/format";
import { packRows } from "../parts/pack";
import { highNibble, lookUp, lowNibble, nibbles, placeNibbles, power4 } from "../parts/planes";
import { embedUnsigned, groupBytesUnsigned, matmulUnsigned, scratchBytesUnsigned } from "../parts/unsigned";

@unmanaged class MXFP4 {
  @inline stored(): usize { return 17; }
  @inline bytes(): usize { return 136; }
  @inline head(): usize { return 0; }
  @inline tile(): usize { return 136; }
  @inline tiles(): i32 { return 1; }
  @inline parts(): i32 { return 1; }
  @inline bias(): i32 { return 12; }
  @inline most(): i32 { return 24; }
  @inline first(): v128 { return i8x16.splat(15); }
  @inline second(): v128 { return i8x16(12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0); }
  @inline minima(): bool { return false; }
  @inline d(half: i32): v128 { return f32x4.mul(power4(changetype<usize>(this) + 4 * half), f32x4.splat(0.5)); }
  @inline m(half: i32): v128 { return f32x4.splat(0); }
  @inline scale(half: i32, part: i32, d: v128): v128 { return d; }
  @inline minimum(half: i32, part: i32, d: v128, m: v128): v128 { return m; }
  @inline raw(i: i32, half: i32): v128 { return nibbles(changetype<usize>(this) + 8, i, half); }
  @inline low(n: v128, i: i32, half: i32, first: v128, second: v128): v128 { return lookUp(second, lowNibble(n, first)); }
  @inline high(n: v128, i: i32, half: i32, first: v128, second: v128): v128 { return lookUp(second, highNibble(n, first)); }
  @inline place(to: usize, row: usize, from: usize): void {
    store<u8>(to + row, load<u8>(from));
    placeNibbles(to + 8, row, v128.load(from, 1));
  }
}

export function activations_MXFP4(): i32 { return INT8; }
export function groupBytes_MXFP4(columns: i32): i32 { return groupBytesUnsigned<MXFP4>(columns); }
export function scratchBytes_MXFP4(columns: i32): i32 { return scratchBytesUnsigned<MXFP4>(columns); }
export function matmul_MXFP4(command: usize, thread: i32, threads: i32): void { matmulUnsigned<MXFP4>(command, thread, threads); }
export function embed_MXFP4(command: usize, thread: i32, threads: i32): void { embedUnsigned<MXFP4>(command, thread, threads); }
export function pack_MXFP4(command: usize, thread: i32, threads: i32): void { packRows<MXFP4>(command, thread, threads); }
