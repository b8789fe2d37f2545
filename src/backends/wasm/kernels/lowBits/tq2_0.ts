/**
 * TQ2_0: value = d · (code − 1), codes 0 … 2, two bits each; packed as parts/ternary.ts says.
 */
import { INT8 } from "../parts/format";
import { packRows } from "../parts/pack";
import { placeTwoBits } from "../parts/planes";
import { Ternary } from "../parts/ternary";
import { embedUnsigned, groupBytesUnsigned, matmulUnsigned, scratchBytesUnsigned } from "../parts/unsigned";

@unmanaged class TQ2_0 extends Ternary {
  @inline stored(): usize { return 66; }
  @inline place(to: usize, row: usize, from: usize): void {
    store<u16>(to + 2 * row, load<u16>(from, 64));
    to += 16;
    const three = i8x16.splat(3);
    for (let tile = 0; tile < 8; tile++) {
      const two = from + 32 * (tile >> 2), shift = 2 * (tile & 3);
      const a = v128.and(i16x8.shr_u(v128.load(two), shift), three);
      const b = v128.and(i16x8.shr_u(v128.load(two, 16), shift), three);
      placeTwoBits(to, row, a, b);
      to += 64;
    }
  }
}

export function activations_TQ2_0(): i32 { return INT8; }
export function groupBytes_TQ2_0(columns: i32): i32 { return groupBytesUnsigned<Ternary>(columns); }
export function scratchBytes_TQ2_0(columns: i32): i32 { return scratchBytesUnsigned<Ternary>(columns); }
export function matmul_TQ2_0(command: usize, thread: i32, threads: i32): void { matmulUnsigned<Ternary>(command, thread, threads); }
export function embed_TQ2_0(command: usize, thread: i32, threads: i32): void { embedUnsigned<Ternary>(command, thread, threads); }
export function pack_TQ2_0(command: usize, thread: i32, threads: i32): void { packRows<TQ2_0>(command, thread, threads); }
