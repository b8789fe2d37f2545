/** IQ1_S: packed as parts/shiftedTernary.ts says; both halves of 32 columns have the same scale and sign. */
import { eightDigits, IQ1, sixteen, vectorAt } from "../parts/codebooks";
import { INT8_PARTS } from "../parts/format";
import { packRows } from "../parts/pack";
import { placeTile, ShiftedTernary } from "../parts/shiftedTernary";
import { embedUnsigned, groupBytesUnsigned, matmulUnsigned, scratchBytesUnsigned } from "../parts/unsigned";

/** 8 digits of the vector whose low bits are at p. @param high bits 8–10 */
@inline function digits(p: usize, high: u32): u64 { return eightDigits(vectorAt(IQ1, load<u8>(p) | (high & 7) << 8)); }

@unmanaged class IQ1_S extends ShiftedTernary {
  @inline stored(): usize { return 50; }
  @inline place(to: usize, row: usize, from: usize): void {
    store<u16>(to + 2 * row, load<u16>(from));
    to += 16;
    for (let tile: usize = 0; tile < 8; tile++) {
      const h: u32 = load<u16>(from + 2 * tile, 34), low = from + 2 + 4 * tile;
      const s = h >> 12 & 7, plus = i8x16.splat(<i8>(h >> 15 ^ 1));
      const a = sixteen(digits(low, h), digits(low + 1, h >> 3)), b = sixteen(digits(low + 2, h >> 6), digits(low + 3, h >> 9));
      placeTile(to, row, s, s, a, b, plus, plus);
      to += 112;
    }
  }
}

export function activations_IQ1_S(): i32 { return INT8_PARTS; }
export function groupBytes_IQ1_S(columns: i32): i32 { return groupBytesUnsigned<ShiftedTernary>(columns); }
export function scratchBytes_IQ1_S(columns: i32): i32 { return scratchBytesUnsigned<ShiftedTernary>(columns); }
export function matmul_IQ1_S(command: usize, thread: i32, threads: i32): void { matmulUnsigned<ShiftedTernary>(command, thread, threads); }
export function embed_IQ1_S(command: usize, thread: i32, threads: i32): void { embedUnsigned<ShiftedTernary>(command, thread, threads); }
export function pack_IQ1_S(command: usize, thread: i32, threads: i32): void { packRows<IQ1_S>(command, thread, threads); }
