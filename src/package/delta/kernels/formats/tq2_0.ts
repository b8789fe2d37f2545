/** TQ2_0, see tensor/quant/tq2_0.ts. */
import { decodeBlocks, encodeBlocks, halfAt } from "../parts/blocks";
import { packTwoBits, unpackTwoBits } from "../parts/nibbles";

@unmanaged class TQ2_0 {
  @inline bytes(): i32 { return 66; }
  @inline codes(): i32 { return 256; }
  @inline subCodes(): i32 { return 32; }
  @inline bias(): i32 { return 1; }
  @inline highest(): i32 { return 3; }
  @inline halves(): i32 { return 1; }
  @inline half(i: i32): usize { return 64; }
  @inline smalls(): i32 { return 0; }
  @inline scales(): i32 { return 0; }
  @inline readSmalls(to: usize): void {}
  @inline writeSmalls(from: usize): void {}
  @inline step(j: i32, smalls: usize): f32 { return halfAt(changetype<usize>(this) + 64); }
  @inline minimum(j: i32, smalls: usize): f32 { return 0; }
  @inline unpack(codes: usize): void { unpackTwoBits(changetype<usize>(this), codes); }
  @inline pack(codes: usize): void { packTwoBits(codes, changetype<usize>(this)); }
}

export function encode_TQ2_0(before: usize, after: usize, blocks: u32, to: usize, toEnd: usize, room: usize, rest: usize): usize {
  return encodeBlocks<TQ2_0>(before, after, blocks, to, toEnd, room, rest);
}
export function decode_TQ2_0(before: usize, after: usize, blocks: u32, from: usize, fromEnd: usize): bool {
  return decodeBlocks<TQ2_0>(before, after, blocks, from, fromEnd);
}
