/** Q5_0, see tensor/quant/q5_0.ts. */
import { decodeBlocks, encodeBlocks, halfAt } from "../parts/blocks";
import { addBits, packNibbles, takeBits, unpackNibbles } from "../parts/nibbles";

@unmanaged class Q5_0 {
  @inline bytes(): i32 { return 22; }
  @inline codes(): i32 { return 32; }
  @inline subCodes(): i32 { return 32; }
  @inline bias(): i32 { return 16; }
  @inline highest(): i32 { return 31; }
  @inline halves(): i32 { return 1; }
  @inline half(i: i32): usize { return 0; }
  @inline smalls(): i32 { return 0; }
  @inline scales(): i32 { return 0; }
  @inline readSmalls(to: usize): void {}
  @inline writeSmalls(from: usize): void {}
  @inline step(j: i32, smalls: usize): f32 { return halfAt(changetype<usize>(this)); }
  @inline minimum(j: i32, smalls: usize): f32 { return 0; }
  @inline unpack(codes: usize): void {
    unpackNibbles(changetype<usize>(this) + 6, codes);
    addBits(load<u32>(changetype<usize>(this), 2), codes);
  }
  @inline pack(codes: usize): void {
    store<u32>(changetype<usize>(this), takeBits(codes), 2);
    packNibbles(codes, changetype<usize>(this) + 6);
  }
}

export function encode_Q5_0(before: usize, after: usize, blocks: u32, to: usize, toEnd: usize, room: usize, rest: usize): usize {
  return encodeBlocks<Q5_0>(before, after, blocks, to, toEnd, room, rest);
}
export function decode_Q5_0(before: usize, after: usize, blocks: u32, from: usize, fromEnd: usize): bool {
  return decodeBlocks<Q5_0>(before, after, blocks, from, fromEnd);
}
