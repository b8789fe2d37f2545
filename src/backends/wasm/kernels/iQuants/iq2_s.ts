/** IQ2_S: packed as parts/signedVectors.ts says. */
import { IQ2_S as CODEBOOK, sixteen } from "../parts/codebooks";
import { INT16 } from "../parts/format";
import { packRows } from "../parts/pack";
import { embedSigned, groupBytesSigned, matmulSigned, scratchBytesSigned } from "../parts/signed";
import { eightCodes, placeVectors, SignedVectors } from "../parts/signedVectors";

/** Codes of the vector whose index has its low bits at p, its signs 32 bytes behind. @param high bits 8 and 9 of the index */
@inline function codes(p: usize, high: u32): u64 { return eightCodes(CODEBOOK, load<u8>(p) | (high & 3) << 8, load<u8>(p, 32)); }

@unmanaged class IQ2_S extends SignedVectors {
  @inline stored(): usize { return 82; }
  @inline place(to: usize, row: usize, from: usize): void {
    store<u16>(to + 2 * row, load<u16>(from));
    to += 16;
    for (let tile: usize = 0; tile < 8; tile++) {
      const high: u32 = load<u8>(from + tile, 66), s: u32 = load<u8>(from + tile, 74), p = from + 2 + 4 * tile;
      const a = sixteen(codes(p, high), codes(p + 1, high >> 2)), b = sixteen(codes(p + 2, high >> 4), codes(p + 3, high >> 6));
      placeVectors(to, row, s & 15, s >> 4, a, b);
      to += 112;
    }
  }
}

export function activations_IQ2_S(): i32 { return INT16; }
export function groupBytes_IQ2_S(columns: i32): i32 { return groupBytesSigned<SignedVectors>(columns); }
export function scratchBytes_IQ2_S(columns: i32): i32 { return scratchBytesSigned(columns); }
export function matmul_IQ2_S(command: usize, thread: i32, threads: i32): void { matmulSigned<SignedVectors>(command, thread, threads); }
export function embed_IQ2_S(command: usize, thread: i32, threads: i32): void { embedSigned<SignedVectors>(command, thread, threads); }
export function pack_IQ2_S(command: usize, thread: i32, threads: i32): void { packRows<IQ2_S>(command, thread, threads); }
