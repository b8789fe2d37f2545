/**
 * Q6_K: value = d · scale · (code − 32), scale of 16 columns in −128 … 127.
 *   packed, 8 rows × 256 columns: head   8 half d
 *                                 8 tiles of 8 i8 scales of columns 0–15 | 8 of 16–31 | six-bits of either (2 · 96)
 *                                                                                       16 + 8 · 208 = 1680 bytes
 */
import { INT8_PARTS } from "../parts/format";
import { packRows } from "../parts/pack";
import { placeSix, signed4, six } from "../parts/planes";
import { half4 } from "../parts/simd";
import { embedUnsigned, groupBytesUnsigned, matmulUnsigned, scratchBytesUnsigned } from "../parts/unsigned";

@unmanaged class Q6_K {
  @inline stored(): usize { return 210; }
  @inline bytes(): usize { return 1680; }
  @inline head(): usize { return 16; }
  @inline tile(): usize { return 208; }
  @inline tiles(): i32 { return 8; }
  @inline parts(): i32 { return 2; }
  @inline bias(): i32 { return 32; }
  @inline most(): i32 { return 63; }
  @inline first(): v128 { return i8x16.splat(0x3f); }
  @inline second(): v128 { return i8x16.splat(<i8>0xc0); }
  @inline minima(): bool { return false; }
  @inline d(half: i32): v128 { return half4(changetype<usize>(this) + 8 * half); }
  @inline m(half: i32): v128 { return f32x4.splat(0); }
  @inline scale(half: i32, part: i32, d: v128): v128 { return f32x4.mul(d, signed4(changetype<usize>(this) + 8 * part + 4 * half)); }
  @inline minimum(half: i32, part: i32, d: v128, m: v128): v128 { return m; }
  @inline scales(part: i32): v128 { return v128.load8x8_s(changetype<usize>(this) + 8 * part); }
  @inline raw(i: i32, half: i32): v128 { return f32x4.splat(0); }
  @inline low(n: v128, i: i32, half: i32, first: v128, second: v128): v128 { return six(changetype<usize>(this) + 16, i, half, first, second); }
  @inline high(n: v128, i: i32, half: i32, first: v128, second: v128): v128 { return six(changetype<usize>(this) + 112, i, half, first, second); }
  @inline place(to: usize, row: usize, from: usize): void {
    store<u16>(to + 2 * row, load<u16>(from, 208));
    to += 16;
    const lowest = i8x16.splat(0x0f), next = i8x16.splat(0x30);
    for (let tile = 0; tile < 8; tile++) {
      store<u8>(to + row, load<u8>(from + 2 * tile, 192));
      store<u8>(to + row, load<u8>(from + 2 * tile, 193), 8);
      // quarters of 128 columns: 0 and 1 in the low nibbles of two runs of 32 bytes, 2 and 3 in the high ones
      const quarter = tile & 3;
      const low = from + 64 * (tile >> 2) + 32 * (quarter & 1), high = from + 32 * (tile >> 2);
      const nibble = 4 * (quarter >> 1), shift = 2 * quarter;
      for (let part: usize = 0; part < 2; part++) {
        const nibbles = v128.and(i16x8.shr_u(v128.load(low + 16 * part), nibble), lowest);
        const quarters = v128.load(high + 16 * part, 128);
        const two = v128.and(quarter < 2 ? i16x8.shl(quarters, 4 - shift) : i16x8.shr_u(quarters, shift - 4), next);
        placeSix(to + 16 + 96 * part, row, v128.or(nibbles, two));
      }
      to += 208;
    }
  }
}

export function activations_Q6_K(): i32 { return INT8_PARTS; }
export function groupBytes_Q6_K(columns: i32): i32 { return groupBytesUnsigned<Q6_K>(columns); }
export function scratchBytes_Q6_K(columns: i32): i32 { return scratchBytesUnsigned<Q6_K>(columns); }
export function matmul_Q6_K(command: usize, thread: i32, threads: i32): void { matmulUnsigned<Q6_K>(command, thread, threads); }
export function embed_Q6_K(command: usize, thread: i32, threads: i32): void { embedUnsigned<Q6_K>(command, thread, threads); }
export function pack_Q6_K(command: usize, thread: i32, threads: i32): void { packRows<Q6_K>(command, thread, threads); }
