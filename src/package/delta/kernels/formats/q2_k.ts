/** Q2_K, see tensor/quant/q2_k.ts. */
import { decodeBlocks, encodeBlocks, halfAt } from "../parts/blocks";
import { packTwoBits, unpackTwoBits } from "../parts/nibbles";

@unmanaged class Q2_K {
  @inline bytes(): i32 { return 84; }
  @inline codes(): i32 { return 256; }
  @inline subCodes(): i32 { return 16; }
  @inline bias(): i32 { return 0; }
  @inline highest(): i32 { return 3; }
  @inline halves(): i32 { return 2; }
  @inline half(i: i32): usize { return 80 + (i << 1); }
  @inline smalls(): i32 { return 32; }
  @inline scales(): i32 { return 16; }
  @inline readSmalls(to: usize): void {
    const bytes = v128.load(changetype<usize>(this));
    v128.store(to, v128.and(bytes, i8x16.splat(15)));
    v128.store(to, i8x16.shr_u(bytes, 4), 16);
  }
  @inline writeSmalls(from: usize): void {
    v128.store(changetype<usize>(this), v128.or(v128.and(v128.load(from), i8x16.splat(15)), i8x16.shl(v128.load(from, 16), 4)));
  }
  @inline step(j: i32, smalls: usize): f32 { return halfAt(changetype<usize>(this) + 80) * <f32>load<u8>(smalls + j); }
  @inline minimum(j: i32, smalls: usize): f32 { return halfAt(changetype<usize>(this) + 82) * <f32>load<u8>(smalls + j, 16); }
  @inline unpack(codes: usize): void { unpackTwoBits(changetype<usize>(this) + 16, codes); }
  @inline pack(codes: usize): void { packTwoBits(codes, changetype<usize>(this) + 16); }
}

export function encode_Q2_K(before: usize, after: usize, blocks: u32, to: usize, toEnd: usize, room: usize, rest: usize): usize {
  return encodeBlocks<Q2_K>(before, after, blocks, to, toEnd, room, rest);
}
export function decode_Q2_K(before: usize, after: usize, blocks: u32, from: usize, fromEnd: usize): bool {
  return decodeBlocks<Q2_K>(before, after, blocks, from, fromEnd);
}
