/**
 * IQ3_S: value = d · (2s + 1) · (2 · code − 15), s of 32 columns in 0 … 15, codes being nibbles: 8 + digit of the codebook's
 * vector, or 7 − digit where it is negative. So it is a scale 2d · (2s + 1) and a minimum −15d · (2s + 1).
 *   packed, 8 rows × 256 columns: head   8 half d
 *                                 8 tiles of 8 u8 (2s + 1) | nibbles (128)             16 + 8 · 136 = 1104 bytes
 */
import { eightBits, fourDigits, IQ3_S as CODEBOOK, sixteen, vectorAt } from "../parts/codebooks";
import { INT8 } from "../parts/format";
import { packRows } from "../parts/pack";
import { highNibble, joined, lowNibble, nibbles, placeNibbles } from "../parts/planes";
import { half4 } from "../parts/simd";
import { embedUnsigned, groupBytesUnsigned, matmulUnsigned, scratchBytesUnsigned } from "../parts/unsigned";

/** Codes of 8 columns: two vectors. @param signs a bit for each column */
@inline function codes(first: u32, second: u32, signs: u32): u64 {
  const digits = <u64>fourDigits(vectorAt(CODEBOOK, first)) | <u64>fourDigits(vectorAt(CODEBOOK, second)) << 32;
  return (digits | 0x0808080808080808) ^ eightBits(signs) * 15;
}

@unmanaged class IQ3_S {
  @inline stored(): usize { return 110; }
  @inline bytes(): usize { return 1104; }
  @inline head(): usize { return 16; }
  @inline tile(): usize { return 136; }
  @inline tiles(): i32 { return 8; }
  @inline parts(): i32 { return 1; }
  @inline bias(): i32 { return 0; }
  @inline most(): i32 { return 15; }
  @inline first(): v128 { return i8x16.splat(15); }
  @inline second(): v128 { return i8x16.splat(0); }
  @inline minima(): bool { return true; }
  @inline d(half: i32): v128 { return f32x4.mul(half4(changetype<usize>(this) + 8 * half), f32x4.splat(2)); }
  @inline m(half: i32): v128 { return f32x4.mul(half4(changetype<usize>(this) + 8 * half), f32x4.splat(-15)); }
  @inline scales(part: i32): v128 { return v128.load8x8_u(changetype<usize>(this)); }
  @inline floors(part: i32): v128 { return v128.load8x8_u(changetype<usize>(this)); }
  @inline raw(i: i32, half: i32): v128 { return nibbles(changetype<usize>(this) + 8, i, half); }
  @inline low(n: v128, i: i32, half: i32, first: v128, second: v128): v128 { return lowNibble(n, first); }
  @inline high(n: v128, i: i32, half: i32, first: v128, second: v128): v128 { return highNibble(n, first); }
  @inline place(to: usize, row: usize, from: usize): void {
    store<u16>(to + 2 * row, load<u16>(from));
    to += 16;
    for (let tile: usize = 0; tile < 8; tile++) {
      const s = load<u8>(from + (tile >> 1), 106) >> <u8>(4 * (tile & 1)) & 15;
      store<u8>(to + row, 2 * s + 1);
      const indices = from + 2 + 8 * tile, high: u32 = load<u8>(from + tile, 66), signs = from + 74 + 4 * tile;
      let words: v128 = i64x2.splat(0), other: v128 = words;
      for (let v: usize = 0; v < 4; v++) {
        const first = <u32>load<u8>(indices + 2 * v) | (high >> <u32>(2 * v) & 1) << 8;
        const second = <u32>load<u8>(indices + 2 * v, 1) | (high >> <u32>(2 * v + 1) & 1) << 8;
        const eight = codes(first, second, load<u8>(signs + v));
        if (v == 0) words = i64x2.replace_lane(words, 0, <i64>eight);
        else if (v == 1) words = i64x2.replace_lane(words, 1, <i64>eight);
        else if (v == 2) other = i64x2.replace_lane(other, 0, <i64>eight);
        else other = i64x2.replace_lane(other, 1, <i64>eight);
      }
      placeNibbles(to + 8, row, joined(words, other));
      to += 136;
    }
  }
}

export function activations_IQ3_S(): i32 { return INT8; }
export function groupBytes_IQ3_S(columns: i32): i32 { return groupBytesUnsigned<IQ3_S>(columns); }
export function scratchBytes_IQ3_S(columns: i32): i32 { return scratchBytesUnsigned<IQ3_S>(columns); }
export function matmul_IQ3_S(command: usize, thread: i32, threads: i32): void { matmulUnsigned<IQ3_S>(command, thread, threads); }
export function embed_IQ3_S(command: usize, thread: i32, threads: i32): void { embedUnsigned<IQ3_S>(command, thread, threads); }
export function pack_IQ3_S(command: usize, thread: i32, threads: i32): void { packRows<IQ3_S>(command, thread, threads); }
