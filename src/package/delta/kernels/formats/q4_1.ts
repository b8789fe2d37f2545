/** Q4_1, see tensor/quant/q4_1.ts: value = d · code + m, so the minimum is −m. */
import { decodeBlocks, encodeBlocks, halfAt } from "../parts/blocks";
import { packNibbles, unpackNibbles } from "../parts/nibbles";

@unmanaged class Q4_1 {
  @inline bytes(): i32 { return 20; }
  @inline codes(): i32 { return 32; }
  @inline subCodes(): i32 { return 32; }
  @inline bias(): i32 { return 0; }
  @inline highest(): i32 { return 15; }
  @inline halves(): i32 { return 2; }
  @inline half(i: i32): usize { return i << 1; }
  @inline smalls(): i32 { return 0; }
  @inline scales(): i32 { return 0; }
  @inline readSmalls(to: usize): void {}
  @inline writeSmalls(from: usize): void {}
  @inline step(j: i32, smalls: usize): f32 { return halfAt(changetype<usize>(this)); }
  @inline minimum(j: i32, smalls: usize): f32 { return -halfAt(changetype<usize>(this) + 2); }
  @inline unpack(codes: usize): void { unpackNibbles(changetype<usize>(this) + 4, codes); }
  @inline pack(codes: usize): void { packNibbles(codes, changetype<usize>(this) + 4); }
}

export function encode_Q4_1(before: usize, after: usize, blocks: u32, to: usize, toEnd: usize, room: usize, rest: usize): usize {
  return encodeBlocks<Q4_1>(before, after, blocks, to, toEnd, room, rest);
}
export function decode_Q4_1(before: usize, after: usize, blocks: u32, from: usize, fromEnd: usize): bool {
  return decodeBlocks<Q4_1>(before, after, blocks, from, fromEnd);
}
