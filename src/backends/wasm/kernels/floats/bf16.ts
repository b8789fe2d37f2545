/** BF16, packed [K][8 rows]; widened to f32 as it is multiplied. */
import { FLOATS } from "../parts/format";
import { embedFloating, groupBytesFloating, matmulFloating, packFloating, scratchBytesFloating } from "../parts/floating";
import { bfloat4 } from "../parts/simd";

@unmanaged class BF16 {
  @inline size(): usize { return 2; }
  @inline at(p: usize): v128 { return bfloat4(p); }
  @inline quick(p: usize, mask: v128): v128 { return bfloat4(p); }
  @inline isTiny(): bool { return false; }
  @inline one(p: usize): f32 { return reinterpret<f32>(<u32>load<u16>(p) << 16); }
}

export function activations_BF16(): i32 { return FLOATS; }
export function groupBytes_BF16(columns: i32): i32 { return groupBytesFloating<BF16>(columns); }
export function scratchBytes_BF16(columns: i32): i32 { return scratchBytesFloating<BF16>(columns); }
export function matmul_BF16(command: usize, thread: i32, threads: i32): void { matmulFloating<BF16>(command, thread, threads); }
export function embed_BF16(command: usize, thread: i32, threads: i32): void { embedFloating<BF16>(command, thread, threads); }
export function pack_BF16(command: usize, thread: i32, threads: i32): void { packFloating<u16>(command, thread, threads); }
