/** IQ2_XXS: packed as parts/signedVectors.ts says; both halves of 32 columns have the same scale. */
import { evenSigns, IQ2_XXS as CODEBOOK, sixteen } from "../parts/codebooks";
import { INT16 } from "../parts/format";
import { packRows } from "../parts/pack";
import { embedSigned, groupBytesSigned, matmulSigned, scratchBytesSigned } from "../parts/signed";
import { eightCodes, placeVectors, SignedVectors } from "../parts/signedVectors";

@inline function codes(p: usize, signs: u32): u64 { return eightCodes(CODEBOOK, load<u8>(p), evenSigns(signs & 127)); }

@unmanaged class IQ2_XXS extends SignedVectors {
  @inline stored(): usize { return 66; }
  @inline place(to: usize, row: usize, from: usize): void {
    store<u16>(to + 2 * row, load<u16>(from));
    to += 16;
    from += 2;
    for (let tile = 0; tile < 8; tile++) {
      const signs = load<u32>(from, 4), s = signs >> 28;
      const a = sixteen(codes(from, signs), codes(from + 1, signs >> 7));
      const b = sixteen(codes(from + 2, signs >> 14), codes(from + 3, signs >> 21));
      placeVectors(to, row, s, s, a, b);
      to += 112;
      from += 8;
    }
  }
}

export function activations_IQ2_XXS(): i32 { return INT16; }
export function groupBytes_IQ2_XXS(columns: i32): i32 { return groupBytesSigned<SignedVectors>(columns); }
export function scratchBytes_IQ2_XXS(columns: i32): i32 { return scratchBytesSigned(columns); }
export function matmul_IQ2_XXS(command: usize, thread: i32, threads: i32): void { matmulSigned<SignedVectors>(command, thread, threads); }
export function embed_IQ2_XXS(command: usize, thread: i32, threads: i32): void { embedSigned<SignedVectors>(command, thread, threads); }
export function pack_IQ2_XXS(command: usize, thread: i32, threads: i32): void { packRows<IQ2_XXS>(command, thread, threads); }
