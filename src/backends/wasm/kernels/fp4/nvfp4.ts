/**
 * NVFP4: value = d / 2 · (code − 12), d of 16 columns a float of 8 bits, codes as those of MXFP4.
 *   packed, 8 rows × 32 columns: 8 u8 d of columns 0–15 | 8 of 16–31 | nibbles (128), indices of codes        = 144 bytes
 */
import { INT8_PARTS } from "../parts/format";
import { packRows } from "../parts/pack";
import { float8, highNibble, joined, lookUp, lowNibble, nibbles, placeNibbles } from "../parts/planes";
import { embedUnsigned, groupBytesUnsigned, matmulUnsigned, scratchBytesUnsigned } from "../parts/unsigned";

@unmanaged class NVFP4 {
  @inline bytes(): usize { return 144; }
  @inline head(): usize { return 0; }
  @inline tile(): usize { return 144; }
  @inline tiles(): i32 { return 1; }
  @inline parts(): i32 { return 2; }
  @inline bias(): i32 { return 12; }
  @inline most(): i32 { return 24; }
  @inline first(): v128 { return i8x16.splat(15); }
  @inline second(): v128 { return i8x16(12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0); }
  @inline minima(): bool { return false; }
  @inline d(half: i32): v128 { return f32x4.splat(0.5); }
  @inline m(half: i32): v128 { return f32x4.splat(0); }
  @inline scale(half: i32, part: i32, d: v128): v128 { return f32x4.mul(float8(changetype<usize>(this) + 8 * part + 4 * half), d); }
  @inline minimum(half: i32, part: i32, d: v128, m: v128): v128 { return m; }
  @inline raw(i: i32, half: i32): v128 { return nibbles(changetype<usize>(this) + 16, i, half); }
  @inline low(n: v128, i: i32, half: i32, first: v128, second: v128): v128 { return lookUp(second, lowNibble(n, first)); }
  @inline high(n: v128, i: i32, half: i32, first: v128, second: v128): v128 { return lookUp(second, highNibble(n, first)); }
}

/** 7 bits of d; what is not a number in a file counts as 0. */
@inline function scaleAt(p: usize): u8 { return load<u8>(p) == 0x7f ? 0 : load<u8>(p) & 0x7f; }

/** 16 nibbles of a sub-block, in order. */
@inline function codes(p: usize): v128 {
  const v = v128.load64_zero(p), mask = i8x16.splat(15);
  return v128.shuffle<i64>(lowNibble(v, mask), highNibble(v, mask), 0, 2);
}

/** A block of a file, 64 columns: two packed blocks. */
@unmanaged class Stored {
  @inline stored(): usize { return 36; }
  @inline bytes(): usize { return 288; }
  @inline tiles(): i32 { return 2; }
  @inline place(to: usize, row: usize, from: usize): void {
    for (let half: usize = 0; half < 2; half++) {
      store<u8>(to + row, scaleAt(from + 2 * half));
      store<u8>(to + row, scaleAt(from + 2 * half + 1), 8);
      placeNibbles(to + 16, row, joined(codes(from + 4 + 16 * half), codes(from + 12 + 16 * half)));
      to += 144;
    }
  }
}

export function activations_NVFP4(): i32 { return INT8_PARTS; }
export function groupBytes_NVFP4(columns: i32): i32 { return groupBytesUnsigned<NVFP4>(columns); }
export function scratchBytes_NVFP4(columns: i32): i32 { return scratchBytesUnsigned<NVFP4>(columns); }
export function matmul_NVFP4(command: usize, thread: i32, threads: i32): void { matmulUnsigned<NVFP4>(command, thread, threads); }
export function embed_NVFP4(command: usize, thread: i32, threads: i32): void { embedUnsigned<NVFP4>(command, thread, threads); }
export function pack_NVFP4(command: usize, thread: i32, threads: i32): void { packRows<Stored>(command, thread, threads); }
