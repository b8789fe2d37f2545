/** F16, packed [K][8 rows]; widened to f32 as it is multiplied. */
import { FLOATS } from "../parts/format";
import { embedFloating, groupBytesFloating, matmulFloating, packFloating, scratchBytesFloating } from "../parts/floating";
import { half, half4, tinyHalf4 } from "../parts/simd";

@unmanaged class F16 {
  @inline size(): usize { return 2; }
  @inline at(p: usize): v128 { return half4(p); }
  @inline quick(p: usize, mask: v128): v128 { return tinyHalf4(p, mask); }
  @inline isTiny(): bool { return true; }
  @inline one(p: usize): f32 { return half(p); }
}

export function activations_F16(): i32 { return FLOATS; }
export function groupBytes_F16(columns: i32): i32 { return groupBytesFloating<F16>(columns); }
export function scratchBytes_F16(columns: i32): i32 { return scratchBytesFloating<F16>(columns); }
export function matmul_F16(command: usize, thread: i32, threads: i32): void { matmulFloating<F16>(command, thread, threads); }
export function embed_F16(command: usize, thread: i32, threads: i32): void { embedFloating<F16>(command, thread, threads); }
export function pack_F16(command: usize, thread: i32, threads: i32): void { packFloating<u16>(command, thread, threads); }
