/**
 * IQ4_NL: value = d · levels[code].
 *   packed, 8 rows × 32 columns: 8 half scales | crossed nibbles (128)                               = 144 bytes
 */
import { INT16 } from "../parts/format";
import { packRows } from "../parts/pack";
import { levels, table } from "../parts/levels";
import { nibbles, placeCrossed } from "../parts/planes";
import { half4 } from "../parts/simd";
import { embedSigned, groupBytesSigned, matmulSigned, scratchBytesSigned } from "../parts/signed";

@unmanaged class IQ4_NL {
  @inline stored(): usize { return 18; }
  @inline bytes(): usize { return 144; }
  @inline head(): usize { return 0; }
  @inline tile(): usize { return 144; }
  @inline tiles(): i32 { return 1; }
  @inline parts(): i32 { return 1; }
  @inline d(half: i32): v128 { return half4(changetype<usize>(this) + 8 * half); }
  @inline scale(half: i32, d: v128): v128 { return d; }
  @inline raw(i: i32, half: i32): v128 { return nibbles(changetype<usize>(this) + 16, i, half); }
  @inline codes(n: v128, i: i32, half: i32, upper: i32, first: v128, second: v128): v128 { return levels(n, upper, first, second); }
  @inline first(): v128 { return i8x16.splat(15); }
  @inline second(): v128 { return table(); }
  @inline place(to: usize, row: usize, from: usize): void {
    store<u16>(to + 2 * row, load<u16>(from));
    placeCrossed(to + 16, row, from + 2);
  }
}

export function activations_IQ4_NL(): i32 { return INT16; }
export function groupBytes_IQ4_NL(columns: i32): i32 { return groupBytesSigned<IQ4_NL>(columns); }
export function scratchBytes_IQ4_NL(columns: i32): i32 { return scratchBytesSigned(columns); }
export function matmul_IQ4_NL(command: usize, thread: i32, threads: i32): void { matmulSigned<IQ4_NL>(command, thread, threads); }
export function embed_IQ4_NL(command: usize, thread: i32, threads: i32): void { embedSigned<IQ4_NL>(command, thread, threads); }
export function pack_IQ4_NL(command: usize, thread: i32, threads: i32): void { packRows<IQ4_NL>(command, thread, threads); }
