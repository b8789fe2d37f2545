/** Q3_K, see tensor/quant/q3_k.ts. */
import { decodeBlocks, encodeBlocks, halfAt } from "../parts/blocks";
import { addPlane, packTwoBits, takePlane, unpackTwoBits } from "../parts/nibbles";

@unmanaged class Q3_K {
  @inline bytes(): i32 { return 110; }
  @inline codes(): i32 { return 256; }
  @inline subCodes(): i32 { return 16; }
  @inline bias(): i32 { return 4; }
  @inline highest(): i32 { return 7; }
  @inline halves(): i32 { return 1; }
  @inline half(i: i32): usize { return 108; }
  @inline smalls(): i32 { return 16; }
  @inline scales(): i32 { return 16; }
  @inline readSmalls(to: usize): void {
    for (let j = 0; j < 16; j++) {
      const low = <u32>load<u8>(changetype<usize>(this) + (j & 7), 96) >> (4 * (j >> 3)) & 15;
      const high = <u32>load<u8>(changetype<usize>(this) + (j & 3), 104) >> (2 * (j >> 2)) & 3;
      store<u8>(to + j, <u8>(low | high << 4));
    }
  }
  @inline writeSmalls(from: usize): void {
    for (let j = 0; j < 8; j++) store<u8>(changetype<usize>(this) + j, load<u8>(from + j) & 15 | load<u8>(from + j, 8) << 4, 96);
    for (let j = 0; j < 4; j++) {
      let bits: u32 = 0;
      for (let k = 0; k < 4; k++) bits |= (<u32>load<u8>(from + 4 * k + j) >> 4 & 3) << (2 * k);
      store<u8>(changetype<usize>(this) + j, <u8>bits, 104);
    }
  }
  @inline step(j: i32, smalls: usize): f32 { return halfAt(changetype<usize>(this) + 108) * <f32>(<i32>load<u8>(smalls + j) - 32); }
  @inline minimum(j: i32, smalls: usize): f32 { return 0; }
  @inline unpack(codes: usize): void {
    unpackTwoBits(changetype<usize>(this) + 32, codes);
    addPlane(changetype<usize>(this), codes, 2);
  }
  @inline pack(codes: usize): void {
    packTwoBits(codes, changetype<usize>(this) + 32);
    takePlane(codes, changetype<usize>(this), 2);
  }
}

export function encode_Q3_K(before: usize, after: usize, blocks: u32, to: usize, toEnd: usize, room: usize, rest: usize): usize {
  return encodeBlocks<Q3_K>(before, after, blocks, to, toEnd, room, rest);
}
export function decode_Q3_K(before: usize, after: usize, blocks: u32, from: usize, fromEnd: usize): bool {
  return decodeBlocks<Q3_K>(before, after, blocks, from, fromEnd);
}
