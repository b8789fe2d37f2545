/**
 * TQ1_0: value = d · (code − 1), codes 0 … 2. Five of them are in a byte of the file; packed they are two-bits:
 *   packed, 8 rows × 256 columns: head   8 half d
 *                                 8 tiles of two-bits (64)                                16 + 8 · 64 = 528 bytes
 */
import { INT8 } from "../parts/format";
import { packRows } from "../parts/pack";
import { highTwoBits, lowTwoBits, placeTwoBits, twoBits } from "../parts/planes";
import { half4 } from "../parts/simd";
import { embedUnsigned, groupBytesUnsigned, matmulUnsigned, scratchBytesUnsigned } from "../parts/unsigned";

/** A byte is a fraction of 256 in base 3 (tensor/quant/tq1_0.ts): its first digit, and what is left of it, times 3. */
@inline function digit(v: v128): v128 {
  return i8x16.neg(i8x16.add(i8x16.ge_u(v, i8x16.splat(86)), i8x16.ge_u(v, i8x16.splat(<i8>171))));
}
@inline function tripled(v: v128): v128 { return i8x16.add(i8x16.add(v, v), v); }

@unmanaged class TQ1_0 {
  @inline stored(): usize { return 54; }
  @inline bytes(): usize { return 528; }
  @inline head(): usize { return 16; }
  @inline tile(): usize { return 64; }
  @inline tiles(): i32 { return 8; }
  @inline parts(): i32 { return 1; }
  @inline bias(): i32 { return 1; }
  @inline minima(): bool { return false; }
  @inline d(half: i32): v128 { return half4(changetype<usize>(this) + 8 * half); }
  @inline m(half: i32): v128 { return f32x4.splat(0); }
  @inline scale(half: i32, part: i32, d: v128): v128 { return d; }
  @inline minimum(half: i32, part: i32, d: v128, m: v128): v128 { return m; }
  @inline raw(i: i32, half: i32): v128 { return twoBits(changetype<usize>(this), i, half); }
  @inline low(n: v128, i: i32, half: i32): v128 { return lowTwoBits(n, i, 0); }
  @inline high(n: v128, i: i32, half: i32): v128 { return highTwoBits(n, i, 0); }
  @inline place(to: usize, row: usize, from: usize): void {
    store<u16>(to + 2 * row, load<u16>(from, 52));
    to += 16;
    // 32 bytes: columns 0–159, each digit a tile
    let a = v128.load(from), b = v128.load(from, 16);
    for (let tile = 0; tile < 5; tile++) {
      placeTwoBits(to, row, digit(a), digit(b));
      a = tripled(a);
      b = tripled(b);
      to += 64;
    }
    // 16 bytes: columns 160–239, each digit half a tile
    a = v128.load(from, 32);
    for (let tile = 5; tile < 7; tile++) {
      b = tripled(a);
      placeTwoBits(to, row, digit(a), digit(b));
      a = tripled(b);
      to += 64;
    }
    // 4 bytes: columns 240–255, each digit 4 of them
    b = v128.load32_zero(from, 48);
    const b1 = tripled(b), b2 = tripled(b1), b3 = tripled(b2);
    b = v128.shuffle<i32>(v128.shuffle<i32>(b, b1, 0, 4, 1, 1), v128.shuffle<i32>(b2, b3, 0, 4, 1, 1), 0, 1, 4, 5);
    placeTwoBits(to, row, digit(a), digit(b));
  }
}

export function activations_TQ1_0(): i32 { return INT8; }
export function groupBytes_TQ1_0(columns: i32): i32 { return groupBytesUnsigned<TQ1_0>(columns); }
export function scratchBytes_TQ1_0(columns: i32): i32 { return scratchBytesUnsigned<TQ1_0>(columns); }
export function matmul_TQ1_0(command: usize, thread: i32, threads: i32): void { matmulUnsigned<TQ1_0>(command, thread, threads); }
export function embed_TQ1_0(command: usize, thread: i32, threads: i32): void { embedUnsigned<TQ1_0>(command, thread, threads); }
export function pack_TQ1_0(from: usize, to: usize, groups: i32, columns: i32): void { packRows<TQ1_0>(from, to, groups, columns); }
