/**
 * Q2_K: value = d · scale · code − dmin · minimum, scale and minimum of 16 columns in 0 … 15.
 *   packed, 8 rows × 256 columns: head   8 half d | 8 half dmin
 *                                 8 tiles of 8 bytes for columns 0–15 | 8 for 16–31 | two-bits (64)
 *                                 a byte: scale in the low, minimum in the high nibble   32 + 8 · 80 = 672 bytes
 */
import { INT8_PARTS } from "../parts/format";
import { packRows } from "../parts/pack";
import { highNibble4, highTwoBits, lowNibble4, lowTwoBits, placeTwoBits, twoBits } from "../parts/planes";
import { half4 } from "../parts/simd";
import { embedUnsigned, groupBytesUnsigned, matmulUnsigned, scratchBytesUnsigned } from "../parts/unsigned";

@unmanaged class Q2_K {
  @inline stored(): usize { return 84; }
  @inline bytes(): usize { return 672; }
  @inline head(): usize { return 32; }
  @inline tile(): usize { return 80; }
  @inline tiles(): i32 { return 8; }
  @inline parts(): i32 { return 2; }
  @inline bias(): i32 { return 0; }
  @inline most(): i32 { return 3; }
  @inline first(): v128 { return i8x16.splat(3); }
  @inline second(): v128 { return i8x16.splat(0); }
  @inline minima(): bool { return true; }
  @inline d(half: i32): v128 { return half4(changetype<usize>(this) + 8 * half); }
  @inline m(half: i32): v128 { return f32x4.neg(half4(changetype<usize>(this) + 16 + 8 * half)); }
  @inline scale(half: i32, part: i32, d: v128): v128 { return f32x4.mul(d, lowNibble4(changetype<usize>(this) + 8 * part + 4 * half)); }
  @inline minimum(half: i32, part: i32, d: v128, m: v128): v128 { return f32x4.mul(m, highNibble4(changetype<usize>(this) + 8 * part + 4 * half)); }
  @inline scales(part: i32): v128 { return v128.and(v128.load8x8_u(changetype<usize>(this) + 8 * part), i16x8.splat(15)); }
  @inline floors(part: i32): v128 { return i16x8.shr_u(v128.load8x8_u(changetype<usize>(this) + 8 * part), 4); }
  @inline raw(i: i32, half: i32): v128 { return twoBits(changetype<usize>(this) + 16, i, half); }
  @inline low(n: v128, i: i32, half: i32, first: v128, second: v128): v128 { return lowTwoBits(n, i, 0, first); }
  @inline high(n: v128, i: i32, half: i32, first: v128, second: v128): v128 { return highTwoBits(n, i, 0, first); }
  @inline place(to: usize, row: usize, from: usize): void {
    store<u16>(to + 2 * row, load<u16>(from, 80));
    store<u16>(to + 2 * row, load<u16>(from, 82), 16);
    to += 32;
    const three = i8x16.splat(3);
    for (let tile = 0; tile < 8; tile++) {
      store<u8>(to + row, load<u8>(from + 2 * tile));
      store<u8>(to + row, load<u8>(from + 2 * tile, 1), 8);
      const two = from + 32 * (tile >> 2), shift = 2 * (tile & 3);
      const a = v128.and(i16x8.shr_u(v128.load(two, 16), shift), three);
      const b = v128.and(i16x8.shr_u(v128.load(two, 32), shift), three);
      placeTwoBits(to + 16, row, a, b);
      to += 80;
    }
  }
}

export function activations_Q2_K(): i32 { return INT8_PARTS; }
export function groupBytes_Q2_K(columns: i32): i32 { return groupBytesUnsigned<Q2_K>(columns); }
export function scratchBytes_Q2_K(columns: i32): i32 { return scratchBytesUnsigned<Q2_K>(columns); }
export function matmul_Q2_K(command: usize, thread: i32, threads: i32): void { matmulUnsigned<Q2_K>(command, thread, threads); }
export function embed_Q2_K(command: usize, thread: i32, threads: i32): void { embedUnsigned<Q2_K>(command, thread, threads); }
export function pack_Q2_K(command: usize, thread: i32, threads: i32): void { packRows<Q2_K>(command, thread, threads); }
