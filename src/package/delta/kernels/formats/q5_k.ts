/** Q5_K, see tensor/quant/q5_k.ts. */
import { decodeBlocks, encodeBlocks, halfAt } from "../parts/blocks";
import { addPlane, packPairs, takePlane, unpackPairs } from "../parts/nibbles";
import { readSixBits, writeSixBits } from "../parts/sixBits";

@unmanaged class Q5_K {
  @inline bytes(): i32 { return 176; }
  @inline codes(): i32 { return 256; }
  @inline subCodes(): i32 { return 32; }
  @inline bias(): i32 { return 0; }
  @inline highest(): i32 { return 31; }
  @inline halves(): i32 { return 2; }
  @inline half(i: i32): usize { return i << 1; }
  @inline smalls(): i32 { return 16; }
  @inline scales(): i32 { return 8; }
  @inline readSmalls(to: usize): void { readSixBits(changetype<usize>(this) + 4, to); }
  @inline writeSmalls(from: usize): void { writeSixBits(from, changetype<usize>(this) + 4); }
  @inline step(j: i32, smalls: usize): f32 { return halfAt(changetype<usize>(this)) * <f32>load<u8>(smalls + j); }
  @inline minimum(j: i32, smalls: usize): f32 { return halfAt(changetype<usize>(this) + 2) * <f32>load<u8>(smalls + j, 8); }
  @inline unpack(codes: usize): void {
    unpackPairs(changetype<usize>(this) + 48, codes);
    addPlane(changetype<usize>(this) + 16, codes, 4);
  }
  @inline pack(codes: usize): void {
    packPairs(codes, changetype<usize>(this) + 48);
    takePlane(codes, changetype<usize>(this) + 16, 4);
  }
}

export function encode_Q5_K(before: usize, after: usize, blocks: u32, to: usize, toEnd: usize, room: usize, rest: usize): usize {
  return encodeBlocks<Q5_K>(before, after, blocks, to, toEnd, room, rest);
}
export function decode_Q5_K(before: usize, after: usize, blocks: u32, from: usize, fromEnd: usize): bool {
  return decodeBlocks<Q5_K>(before, after, blocks, from, fromEnd);
}
