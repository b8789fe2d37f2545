/**
 * Q5_K: value = d · scale · code − dmin · minimum, scale and minimum of 32 columns in 0 … 63.
 *   packed, 8 rows × 256 columns: head   8 half d | 8 half dmin
 *                                 8 tiles of 8 u8 scales | 8 u8 minima | nibbles (128) | fifth bits (32)
 *                                                                                       32 + 8 · 176 = 1440 bytes
 */
import { INT8 } from "../parts/format";
import { packRows } from "../parts/pack";
import { bit, highNibble, joined, lowNibble, nibbles, placeBits, placeNibbles, unsigned4 } from "../parts/planes";
import { half4, madd } from "../parts/simd";
import { embedUnsigned, groupBytesUnsigned, matmulUnsigned, scratchBytesUnsigned } from "../parts/unsigned";
import { placeSixBits } from "../parts/sixBits";

@unmanaged class Q5_K {
  @inline stored(): usize { return 176; }
  @inline bytes(): usize { return 1440; }
  @inline head(): usize { return 32; }
  @inline tile(): usize { return 176; }
  @inline tiles(): i32 { return 8; }
  @inline parts(): i32 { return 1; }
  @inline bias(): i32 { return 16; }
  @inline most(): i32 { return 31; }
  @inline first(): v128 { return i8x16.splat(15); }
  @inline second(): v128 { return i8x16.splat(16); }
  @inline minima(): bool { return true; }
  @inline d(half: i32): v128 { return half4(changetype<usize>(this) + 8 * half); }
  @inline m(half: i32): v128 { return f32x4.neg(half4(changetype<usize>(this) + 16 + 8 * half)); }
  @inline scale(half: i32, part: i32, d: v128): v128 { return f32x4.mul(d, unsigned4(changetype<usize>(this) + 4 * half)); }
  /** Codes count from 16, so that their sums fit. */
  @inline minimum(half: i32, part: i32, d: v128, m: v128): v128 {
    const minimum = f32x4.mul(m, unsigned4(changetype<usize>(this) + 8 + 4 * half));
    return madd(this.scale(half, part, d), f32x4.splat(16), minimum);
  }
  @inline scales(part: i32): v128 { return v128.load8x8_u(changetype<usize>(this)); }
  @inline floors(part: i32): v128 { return v128.load8x8_u(changetype<usize>(this) + 8); }
  @inline raw(i: i32, half: i32): v128 { return nibbles(changetype<usize>(this) + 16, i, half); }
  @inline low(n: v128, i: i32, half: i32, first: v128, second: v128): v128 { return v128.or(lowNibble(n, first), bit(changetype<usize>(this) + 144, i, half, 4, second)); }
  @inline high(n: v128, i: i32, half: i32, first: v128, second: v128): v128 { return v128.or(highNibble(n, first), bit(changetype<usize>(this) + 144, i + 4, half, 4, second)); }
  @inline place(to: usize, row: usize, from: usize): void {
    store<u16>(to + 2 * row, load<u16>(from));
    store<u16>(to + 2 * row, load<u16>(from, 2), 16);
    to += 32;
    placeSixBits(to + row, 176, from + 4);
    const one = i8x16.splat(1);
    let fifthA = v128.load(from, 16), fifthB = v128.load(from, 32);
    for (let tile = 0; tile < 8; tile++) {
      const shift = 4 * (tile & 1);
      placeNibbles(to + 16, row, joined(i16x8.shr_u(v128.load(from, 48), shift), i16x8.shr_u(v128.load(from, 64), shift)));
      placeBits(to + 144, row, v128.and(fifthA, one), v128.and(fifthB, one));
      fifthA = i16x8.shr_u(fifthA, 1);
      fifthB = i16x8.shr_u(fifthB, 1);
      to += 176;
      from += 32 * (tile & 1);
    }
  }
}

export function activations_Q5_K(): i32 { return INT8; }
export function groupBytes_Q5_K(columns: i32): i32 { return groupBytesUnsigned<Q5_K>(columns); }
export function scratchBytes_Q5_K(columns: i32): i32 { return scratchBytesUnsigned<Q5_K>(columns); }
export function matmul_Q5_K(command: usize, thread: i32, threads: i32): void { matmulUnsigned<Q5_K>(command, thread, threads); }
export function embed_Q5_K(command: usize, thread: i32, threads: i32): void { embedUnsigned<Q5_K>(command, thread, threads); }
export function pack_Q5_K(command: usize, thread: i32, threads: i32): void { packRows<Q5_K>(command, thread, threads); }
