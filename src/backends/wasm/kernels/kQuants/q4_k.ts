/**
 * Q4_K: value = d · scale · code − dmin · minimum, scale and minimum of 32 columns in 0 … 63.
 *   packed, 8 rows × 256 columns: head   8 half d | 8 half dmin
 *                                 8 tiles of 8 u8 scales | 8 u8 minima | nibbles (128)
 *                                                                                       32 + 8 · 144 = 1184 bytes
 */
import { INT8 } from "../parts/format";
import { packRows } from "../parts/pack";
import { highNibble, joined, lowNibble, nibbles, placeNibbles, unsigned4 } from "../parts/planes";
import { half4 } from "../parts/simd";
import { embedUnsigned, groupBytesUnsigned, matmulUnsigned, scratchBytesUnsigned } from "../parts/unsigned";
import { placeSixBits } from "../parts/sixBits";

@unmanaged class Q4_K {
  @inline stored(): usize { return 144; }
  @inline bytes(): usize { return 1184; }
  @inline head(): usize { return 32; }
  @inline tile(): usize { return 144; }
  @inline tiles(): i32 { return 8; }
  @inline parts(): i32 { return 1; }
  @inline bias(): i32 { return 0; }
  @inline most(): i32 { return 15; }
  @inline first(): v128 { return i8x16.splat(15); }
  @inline second(): v128 { return i8x16.splat(0); }
  @inline minima(): bool { return true; }
  @inline d(half: i32): v128 { return half4(changetype<usize>(this) + 8 * half); }
  @inline m(half: i32): v128 { return f32x4.neg(half4(changetype<usize>(this) + 16 + 8 * half)); }
  @inline scale(half: i32, part: i32, d: v128): v128 { return f32x4.mul(d, unsigned4(changetype<usize>(this) + 4 * half)); }
  @inline minimum(half: i32, part: i32, d: v128, m: v128): v128 { return f32x4.mul(m, unsigned4(changetype<usize>(this) + 8 + 4 * half)); }
  @inline scales(part: i32): v128 { return v128.load8x8_u(changetype<usize>(this)); }
  @inline floors(part: i32): v128 { return v128.load8x8_u(changetype<usize>(this) + 8); }
  @inline raw(i: i32, half: i32): v128 { return nibbles(changetype<usize>(this) + 16, i, half); }
  @inline low(n: v128, i: i32, half: i32, first: v128, second: v128): v128 { return lowNibble(n, first); }
  @inline high(n: v128, i: i32, half: i32, first: v128, second: v128): v128 { return highNibble(n, first); }
  @inline place(to: usize, row: usize, from: usize): void {
    store<u16>(to + 2 * row, load<u16>(from));
    store<u16>(to + 2 * row, load<u16>(from, 2), 16);
    to += 32;
    placeSixBits(to + row, 144, from + 4);
    for (let pair = 0; pair < 4; pair++) {
      const a = v128.load(from, 16), b = v128.load(from, 32);
      placeNibbles(to + 16, row, joined(a, b));
      placeNibbles(to + 160, row, joined(i16x8.shr_u(a, 4), i16x8.shr_u(b, 4)));
      to += 288;
      from += 32;
    }
  }
}

export function activations_Q4_K(): i32 { return INT8; }
export function groupBytes_Q4_K(columns: i32): i32 { return groupBytesUnsigned<Q4_K>(columns); }
export function scratchBytes_Q4_K(columns: i32): i32 { return scratchBytesUnsigned<Q4_K>(columns); }
export function matmul_Q4_K(command: usize, thread: i32, threads: i32): void { matmulUnsigned<Q4_K>(command, thread, threads); }
export function embed_Q4_K(command: usize, thread: i32, threads: i32): void { embedUnsigned<Q4_K>(command, thread, threads); }
export function pack_Q4_K(command: usize, thread: i32, threads: i32): void { packRows<Q4_K>(command, thread, threads); }
