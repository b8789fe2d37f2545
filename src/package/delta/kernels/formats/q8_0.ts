/** Q8_0, see tensor/quant/q8_0.ts: codes are the integers plus 128. */
import { decodeBlocks, encodeBlocks, halfAt } from "../parts/blocks";

@unmanaged class Q8_0 {
  @inline bytes(): i32 { return 34; }
  @inline codes(): i32 { return 32; }
  @inline subCodes(): i32 { return 32; }
  @inline bias(): i32 { return 128; }
  @inline highest(): i32 { return 255; }
  @inline halves(): i32 { return 1; }
  @inline half(i: i32): usize { return 0; }
  @inline smalls(): i32 { return 0; }
  @inline scales(): i32 { return 0; }
  @inline readSmalls(to: usize): void {}
  @inline writeSmalls(from: usize): void {}
  @inline step(j: i32, smalls: usize): f32 { return halfAt(changetype<usize>(this)); }
  @inline minimum(j: i32, smalls: usize): f32 { return 0; }
  @inline unpack(codes: usize): void {
    v128.store(codes, v128.xor(v128.load(changetype<usize>(this), 2), i8x16.splat(-128)));
    v128.store(codes, v128.xor(v128.load(changetype<usize>(this), 18), i8x16.splat(-128)), 16);
  }
  @inline pack(codes: usize): void {
    v128.store(changetype<usize>(this), v128.xor(v128.load(codes), i8x16.splat(-128)), 2);
    v128.store(changetype<usize>(this), v128.xor(v128.load(codes, 16), i8x16.splat(-128)), 18);
  }
}

export function encode_Q8_0(before: usize, after: usize, blocks: u32, to: usize, toEnd: usize, room: usize, rest: usize): usize {
  return encodeBlocks<Q8_0>(before, after, blocks, to, toEnd, room, rest);
}
export function decode_Q8_0(before: usize, after: usize, blocks: u32, from: usize, fromEnd: usize): bool {
  return decodeBlocks<Q8_0>(before, after, blocks, from, fromEnd);
}
