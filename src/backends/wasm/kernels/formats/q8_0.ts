/**
 * Q8_0: value = d · code, codes −127 … 127.
 *   packed, 8 rows × 32 columns: 8 half scales | pairs of columns [16][8 rows][2] int8 (256)          = 272 bytes
 */
import { half4 } from "../parts/simd";
import { INT16 } from "../parts/format";
import { embedSigned, groupBytesSigned, matmulSigned, scratchBytesSigned } from "../parts/signed";

@unmanaged class Q8_0 {
  @inline bytes(): usize { return 272; }
  @inline head(): usize { return 0; }
  @inline tile(): usize { return 272; }
  @inline tiles(): i32 { return 1; }
  @inline d(half: i32): v128 { return half4(changetype<usize>(this) + 8 * half); }
  @inline scale(half: i32, d: v128): v128 { return d; }
  @inline raw(i: i32, half: i32): v128 { return f32x4.splat(0); }
  @inline pair(n: v128, i: i32, half: i32, which: i32): v128 {
    return v128.load8x8_s(changetype<usize>(this) + 16 + 16 * (2 * i + (which & 1) + 8 * (which >> 1)) + 8 * half);
  }
}

export function activations_Q8_0(): i32 { return INT16; }
export function groupBytes_Q8_0(columns: i32): i32 { return groupBytesSigned<Q8_0>(columns); }
export function scratchBytes_Q8_0(columns: i32): i32 { return scratchBytesSigned(columns); }
export function matmul_Q8_0(command: usize, thread: i32, threads: i32): void { matmulSigned<Q8_0>(command, thread, threads); }
export function embed_Q8_0(command: usize, thread: i32, threads: i32): void { embedSigned<Q8_0>(command, thread, threads); }

/** @param from whole rows in ggml's layout @param groups of 8 rows @param columns K */
export function pack_Q8_0(from: usize, to: usize, groups: i32, columns: i32): void {
  const blocks = columns >> 5;
  const rowBytes = <usize>blocks * 34;
  for (let group = 0; group < groups; group++) {
    for (let block = 0; block < blocks; block++) {
      for (let row = 0; row < 8; row++) {
        const at = from + <usize>row * rowBytes + <usize>block * 34;
        store<u16>(to + 2 * row, load<u16>(at));
        for (let pair = 0; pair < 16; pair++) store<u16>(to + 16 + 16 * pair + 2 * row, load<u16>(at + 2 + 2 * pair));
      }
      to += 272;
    }
    from += 8 * rowBytes;
  }
}
