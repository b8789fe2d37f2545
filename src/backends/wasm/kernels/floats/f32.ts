/** F32, packed [K][8 rows]. */
import { FLOATS } from "../parts/format";
import { embedFloating, groupBytesFloating, matmulFloating, packFloating, scratchBytesFloating } from "../parts/floating";

@unmanaged class F32 {
  @inline size(): usize { return 4; }
  @inline at(p: usize): v128 { return v128.load(p); }
  @inline quick(p: usize, mask: v128): v128 { return v128.load(p); }
  @inline isTiny(): bool { return false; }
  @inline one(p: usize): f32 { return load<f32>(p); }
}

export function activations_F32(): i32 { return FLOATS; }
export function groupBytes_F32(columns: i32): i32 { return groupBytesFloating<F32>(columns); }
export function scratchBytes_F32(columns: i32): i32 { return scratchBytesFloating<F32>(columns); }
export function matmul_F32(command: usize, thread: i32, threads: i32): void { matmulFloating<F32>(command, thread, threads); }
export function embed_F32(command: usize, thread: i32, threads: i32): void { embedFloating<F32>(command, thread, threads); }
export function pack_F32(command: usize, thread: i32, threads: i32): void { packFloating<f32>(command, thread, threads); }
