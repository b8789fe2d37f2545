/** IQ1_M: packed as parts/shiftedTernary.ts says; d is spread over the top 4 bits of four words. */
import { eightDigits, IQ1, sixteen, vectorAt } from "../parts/codebooks";
import { INT8_PARTS } from "../parts/format";
import { packRows } from "../parts/pack";
import { placeTile, ShiftedTernary } from "../parts/shiftedTernary";
import { embedUnsigned, groupBytesUnsigned, matmulUnsigned, scratchBytesUnsigned } from "../parts/unsigned";

/** 8 digits of the vector whose low bits are at p. @param high bits 8–10 */
@inline function digits(p: usize, high: u32): u64 { return eightDigits(vectorAt(IQ1, load<u8>(p) | (high & 7) << 8)); }

/** 8 bytes of 1, or of 0 where bit 3 of a nibble says minus. */
@inline function plus(nibble: u32): u64 { return <u64>(nibble >> 3 & 1 ^ 1) * 0x0101010101010101; }

@unmanaged class IQ1_M extends ShiftedTernary {
  @inline stored(): usize { return 56; }
  @inline place(to: usize, row: usize, from: usize): void {
    const words = load<u64>(from, 48);
    const d = words >> 12 & 0xf | words >> 24 & 0xf0 | words >> 36 & 0xf00 | words >> 48 & 0xf000;
    store<u16>(to + 2 * row, <u16>d);
    to += 16;
    for (let tile: usize = 0; tile < 8; tile++) {
      const word = <u32>(words >> <u64>(16 * (tile >> 1))) >> <u32>(6 * (tile & 1));
      const h: u32 = load<u16>(from + 2 * tile, 32), low = from + 4 * tile;
      const a = sixteen(digits(low, h), digits(low + 1, h >> 4)), b = sixteen(digits(low + 2, h >> 8), digits(low + 3, h >> 12));
      const plusA = sixteen(plus(h), plus(h >> 4)), plusB = sixteen(plus(h >> 8), plus(h >> 12));
      placeTile(to, row, word & 7, word >> 3 & 7, a, b, plusA, plusB);
      to += 112;
    }
  }
}

export function activations_IQ1_M(): i32 { return INT8_PARTS; }
export function groupBytes_IQ1_M(columns: i32): i32 { return groupBytesUnsigned<ShiftedTernary>(columns); }
export function scratchBytes_IQ1_M(columns: i32): i32 { return scratchBytesUnsigned<ShiftedTernary>(columns); }
export function matmul_IQ1_M(command: usize, thread: i32, threads: i32): void { matmulUnsigned<ShiftedTernary>(command, thread, threads); }
export function embed_IQ1_M(command: usize, thread: i32, threads: i32): void { embedUnsigned<ShiftedTernary>(command, thread, threads); }
export function pack_IQ1_M(command: usize, thread: i32, threads: i32): void { packRows<IQ1_M>(command, thread, threads); }
