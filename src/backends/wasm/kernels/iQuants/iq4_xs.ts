/**
 * IQ4_XS: value = d · scale · levels[code], scale of 32 columns in −32 … 31.
 *   packed, 8 rows × 256 columns: head   8 half d
 *                                 8 tiles of 8 i8 scales | crossed nibbles (128)        16 + 8 · 136 = 1104 bytes
 */
import { INT16 } from "../parts/format";
import { packRows } from "../parts/pack";
import { levels, table } from "../parts/levels";
import { nibbles, placeCrossed, signed4 } from "../parts/planes";
import { half4 } from "../parts/simd";
import { embedSigned, groupBytesSigned, matmulSigned, scratchBytesSigned } from "../parts/signed";

@unmanaged class IQ4_XS {
  @inline stored(): usize { return 136; }
  @inline bytes(): usize { return 1104; }
  @inline head(): usize { return 16; }
  @inline tile(): usize { return 136; }
  @inline tiles(): i32 { return 8; }
  @inline parts(): i32 { return 1; }
  @inline d(half: i32): v128 { return half4(changetype<usize>(this) + 8 * half); }
  @inline scale(half: i32, d: v128): v128 { return f32x4.mul(d, signed4(changetype<usize>(this) + 4 * half)); }
  @inline raw(i: i32, half: i32): v128 { return nibbles(changetype<usize>(this) + 8, i, half); }
  @inline codes(n: v128, i: i32, half: i32, upper: i32, first: v128, second: v128): v128 { return levels(n, upper, first, second); }
  @inline first(): v128 { return i8x16.splat(15); }
  @inline second(): v128 { return table(); }
  @inline place(to: usize, row: usize, from: usize): void {
    store<u16>(to + 2 * row, load<u16>(from));
    to += 16;
    let low = load<u32>(from, 4), high: u32 = load<u16>(from, 2);
    for (let tile = 0; tile < 8; tile++) {
      store<i8>(to + row, <i8>((low & 15 | (high & 3) << 4) - 32));
      placeCrossed(to + 8, row, from + 8);
      low >>= 4;
      high >>= 2;
      to += 136;
      from += 16;
    }
  }
}

export function activations_IQ4_XS(): i32 { return INT16; }
export function groupBytes_IQ4_XS(columns: i32): i32 { return groupBytesSigned<IQ4_XS>(columns); }
export function scratchBytes_IQ4_XS(columns: i32): i32 { return scratchBytesSigned(columns); }
export function matmul_IQ4_XS(command: usize, thread: i32, threads: i32): void { matmulSigned<IQ4_XS>(command, thread, threads); }
export function embed_IQ4_XS(command: usize, thread: i32, threads: i32): void { embedSigned<IQ4_XS>(command, thread, threads); }
export function pack_IQ4_XS(command: usize, thread: i32, threads: i32): void { packRows<IQ4_XS>(command, thread, threads); }
