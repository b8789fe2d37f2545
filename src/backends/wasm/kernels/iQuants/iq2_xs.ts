/** IQ2_XS: packed as parts/signedVectors.ts says. */
import { evenSigns, IQ2_XS as CODEBOOK, sixteen } from "../parts/codebooks";
import { INT16 } from "../parts/format";
import { packRows } from "../parts/pack";
import { embedSigned, groupBytesSigned, matmulSigned, scratchBytesSigned } from "../parts/signed";
import { eightCodes, placeVectors, SignedVectors } from "../parts/signedVectors";

/** Codes of the vector at p: 9 bits of its index, 7 of its signs. */
@inline function codes(p: usize): u64 {
  const v: u32 = load<u16>(p);
  return eightCodes(CODEBOOK, v & 511, evenSigns(v >> 9));
}

@unmanaged class IQ2_XS extends SignedVectors {
  @inline stored(): usize { return 74; }
  @inline place(to: usize, row: usize, from: usize): void {
    store<u16>(to + 2 * row, load<u16>(from));
    to += 16;
    for (let tile: usize = 0; tile < 8; tile++) {
      const s: u32 = load<u8>(from + tile, 66), p = from + 2 + 8 * tile;
      placeVectors(to, row, s & 15, s >> 4, sixteen(codes(p), codes(p + 2)), sixteen(codes(p + 4), codes(p + 6)));
      to += 112;
    }
  }
}

export function activations_IQ2_XS(): i32 { return INT16; }
export function groupBytes_IQ2_XS(columns: i32): i32 { return groupBytesSigned<SignedVectors>(columns); }
export function scratchBytes_IQ2_XS(columns: i32): i32 { return scratchBytesSigned(columns); }
export function matmul_IQ2_XS(command: usize, thread: i32, threads: i32): void { matmulSigned<SignedVectors>(command, thread, threads); }
export function embed_IQ2_XS(command: usize, thread: i32, threads: i32): void { embedSigned<SignedVectors>(command, thread, threads); }
export function pack_IQ2_XS(command: usize, thread: i32, threads: i32): void { packRows<IQ2_XS>(command, thread, threads); }
