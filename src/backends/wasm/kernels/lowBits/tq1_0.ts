/**
 * TQ1_0: value = d · (code − 1), codes 0 … 2. Five of them are in a byte of the file; packed as parts/ternary.ts says.
 */
import { INT8 } from "../parts/format";
import { packRows } from "../parts/pack";
import { placeTwoBits } from "../parts/planes";
import { Ternary } from "../parts/ternary";
import { embedUnsigned, groupBytesUnsigned, matmulUnsigned, scratchBytesUnsigned } from "../parts/unsigned";

/** A byte is a fraction of 256 in base 3 (tensor/quant/tq1_0.ts): its first digit, and what is left of it, times 3. */
@inline function digit(v: v128): v128 {
  return i8x16.neg(i8x16.add(i8x16.ge_u(v, i8x16.splat(86)), i8x16.ge_u(v, i8x16.splat(<i8>171))));
}
@inline function tripled(v: v128): v128 { return i8x16.add(i8x16.add(v, v), v); }

@unmanaged class TQ1_0 extends Ternary {
  @inline stored(): usize { return 54; }
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
export function groupBytes_TQ1_0(columns: i32): i32 { return groupBytesUnsigned<Ternary>(columns); }
export function scratchBytes_TQ1_0(columns: i32): i32 { return scratchBytesUnsigned<Ternary>(columns); }
export function matmul_TQ1_0(command: usize, thread: i32, threads: i32): void { matmulUnsigned<Ternary>(command, thread, threads); }
export function embed_TQ1_0(command: usize, thread: i32, threads: i32): void { embedUnsigned<Ternary>(command, thread, threads); }
export function pack_TQ1_0(command: usize, thread: i32, threads: i32): void { packRows<TQ1_0>(command, thread, threads); }
