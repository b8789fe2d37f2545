/**
 * Q3_K: value = d · scale · (code − 4), scale of 16 columns in −32 … 31.
 *   packed, 8 rows × 256 columns: head   8 half d
 *                                 8 tiles of 8 i8 scales of columns 0–15 | 8 of 16–31 | two-bits (64) | third bits (32)
 *                                                                                       16 + 8 · 112 = 912 bytes
 */
import { INT8_PARTS } from "../parts/format";
import { packRows } from "../parts/pack";
import { bit, highTwoBits, lowTwoBits, placeBits, placeTwoBits, signed4, twoBits } from "../parts/planes";
import { half4 } from "../parts/simd";
import { embedUnsigned, groupBytesUnsigned, matmulUnsigned, scratchBytesUnsigned } from "../parts/unsigned";

@unmanaged class Q3_K {
  @inline stored(): usize { return 110; }
  @inline bytes(): usize { return 912; }
  @inline head(): usize { return 16; }
  @inline tile(): usize { return 112; }
  @inline tiles(): i32 { return 8; }
  @inline parts(): i32 { return 2; }
  @inline bias(): i32 { return 4; }
  @inline most(): i32 { return 7; }
  @inline first(): v128 { return i8x16.splat(3); }
  @inline second(): v128 { return i8x16.splat(4); }
  @inline minima(): bool { return false; }
  @inline d(half: i32): v128 { return half4(changetype<usize>(this) + 8 * half); }
  @inline m(half: i32): v128 { return f32x4.splat(0); }
  @inline scale(half: i32, part: i32, d: v128): v128 { return f32x4.mul(d, signed4(changetype<usize>(this) + 8 * part + 4 * half)); }
  @inline minimum(half: i32, part: i32, d: v128, m: v128): v128 { return m; }
  @inline scales(part: i32): v128 { return v128.load8x8_s(changetype<usize>(this) + 8 * part); }
  @inline raw(i: i32, half: i32): v128 { return twoBits(changetype<usize>(this) + 16, i, half); }
  @inline low(n: v128, i: i32, half: i32, first: v128, second: v128): v128 { return v128.or(lowTwoBits(n, i, 0, first), bit(changetype<usize>(this) + 80, i, half, 2, second)); }
  @inline high(n: v128, i: i32, half: i32, first: v128, second: v128): v128 { return v128.or(highTwoBits(n, i, 0, first), bit(changetype<usize>(this) + 80, i + 4, half, 2, second)); }
  @inline place(to: usize, row: usize, from: usize): void {
    store<u16>(to + 2 * row, load<u16>(from, 108));
    to += 16;
    const one = i8x16.splat(1), three = i8x16.splat(3);
    // byte i of 8: 4 low bits of scales i and i+8; byte i of 4: 2 high bits of scales i, i+4, i+8 and i+12
    const low = load<u64>(from, 96);
    let high: u64 = load<u32>(from, 104);
    high |= high >> 2 << 32;
    let scales = low & 0x0f0f0f0f0f0f0f0f | (high & 0x0303030303030303) << 4;
    for (let tile = 0; tile < 8; tile++) {
      if (tile == 4) scales = low >> 4 & 0x0f0f0f0f0f0f0f0f | high & 0x3030303030303030;
      store<i8>(to + row, <i8>((<i32>scales & 63) - 32));
      store<i8>(to + row, <i8>((<i32>(scales >> 8) & 63) - 32), 8);
      scales >>= 16;
      const two = from + 32 * (tile >> 2), shift = 2 * (tile & 3);
      const a = v128.and(i16x8.shr_u(v128.load(two, 32), shift), three);
      const b = v128.and(i16x8.shr_u(v128.load(two, 48), shift), three);
      placeTwoBits(to + 16, row, a, b);
      const thirdA = v128.and(i16x8.shr_u(v128.load(from), tile), one);
      const thirdB = v128.and(i16x8.shr_u(v128.load(from, 16), tile), one);
      placeBits(to + 80, row, thirdA, thirdB);
      to += 112;
    }
  }
}

export function activations_Q3_K(): i32 { return INT8_PARTS; }
export function groupBytes_Q3_K(columns: i32): i32 { return groupBytesUnsigned<Q3_K>(columns); }
export function scratchBytes_Q3_K(columns: i32): i32 { return scratchBytesUnsigned<Q3_K>(columns); }
export function matmul_Q3_K(command: usize, thread: i32, threads: i32): void { matmulUnsigned<Q3_K>(command, thread, threads); }
export function embed_Q3_K(command: usize, thread: i32, threads: i32): void { embedUnsigned<Q3_K>(command, thread, threads); }
export function pack_Q3_K(command: usize, thread: i32, threads: i32): void { packRows<Q3_K>(command, thread, threads); }
