/**
 * IQ3_XXS: value = d / 4 · (2s + 1) · levels[code], s of 32 columns in 0 … 15, code a digit of the codebook's vector, + 8
 * for minus.
 *   packed, 8 rows × 256 columns: head   8 half d
 *                                 8 tiles of 8 u8 (2s + 1) | crossed nibbles (128)     16 + 8 · 136 = 1104 bytes
 */
import { eightBits, evenSigns, fourDigits, IQ3_XXS as CODEBOOK, sixteen, vectorAt } from "../parts/codebooks";
import { INT16 } from "../parts/format";
import { levels } from "../parts/levels";
import { packRows } from "../parts/pack";
import { crossed, joined, nibbles, placeNibbles } from "../parts/planes";
import { embedSigned, groupBytesSigned, matmulSigned, scratchBytesSigned } from "../parts/signed";
import { half4 } from "../parts/simd";

/** Codes of 8 columns, two vectors, whose indices are at p. */
@inline function codes(p: usize, signs: u32): u64 {
  const digits = <u64>fourDigits(vectorAt(CODEBOOK, load<u8>(p))) | <u64>fourDigits(vectorAt(CODEBOOK, load<u8>(p, 1))) << 32;
  return digits | eightBits(evenSigns(signs & 127)) << 3;
}

@unmanaged class IQ3_XXS {
  @inline stored(): usize { return 98; }
  @inline bytes(): usize { return 1104; }
  @inline head(): usize { return 16; }
  @inline tile(): usize { return 136; }
  @inline tiles(): i32 { return 8; }
  @inline parts(): i32 { return 2; }
  @inline d(half: i32): v128 { return f32x4.mul(half4(changetype<usize>(this) + 8 * half), f32x4.splat(0.25)); }
  @inline scales(part: i32): v128 { return v128.load8x8_u(changetype<usize>(this)); }
  @inline raw(i: i32, half: i32): v128 { return nibbles(changetype<usize>(this) + 8, i, half); }
  @inline codes(n: v128, i: i32, half: i32, upper: i32, first: v128, second: v128): v128 { return levels(n, upper, first, second); }
  @inline first(): v128 { return i8x16.splat(15); }
  @inline second(): v128 { return i8x16(4, 12, 20, 28, 36, 44, 52, 62, -4, -12, -20, -28, -36, -44, -52, -62); }
  @inline place(to: usize, row: usize, from: usize): void {
    store<u16>(to + 2 * row, load<u16>(from));
    to += 16;
    for (let tile: usize = 0; tile < 8; tile++) {
      const signs = load<u32>(from + 4 * tile, 66), p = from + 2 + 8 * tile;
      store<u8>(to + row, <u8>(2 * (signs >> 28) + 1));
      const a = sixteen(codes(p, signs), codes(p + 2, signs >> 7)), b = sixteen(codes(p + 4, signs >> 14), codes(p + 6, signs >> 21));
      placeNibbles(to + 8, row, crossed(joined(a, b)));
      to += 136;
    }
  }
}

export function activations_IQ3_XXS(): i32 { return INT16; }
export function groupBytes_IQ3_XXS(columns: i32): i32 { return groupBytesSigned<IQ3_XXS>(columns); }
export function scratchBytes_IQ3_XXS(columns: i32): i32 { return scratchBytesSigned(columns); }
export function matmul_IQ3_XXS(command: usize, thread: i32, threads: i32): void { matmulSigned<IQ3_XXS>(command, thread, threads); }
export function embed_IQ3_XXS(command: usize, thread: i32, threads: i32): void { embedSigned<IQ3_XXS>(command, thread, threads); }
export function pack_IQ3_XXS(command: usize, thread: i32, threads: i32): void { packRows<IQ3_XXS>(command, thread, threads); }
