/** Q6_K, see tensor/quant/q6_k.ts. */
import { decodeBlocks, encodeBlocks, halfAt } from "../parts/blocks";

@inline function lowFour(codes: v128): v128 { return v128.and(codes, i8x16.splat(15)); }
/** Two bits of each byte from bit `at` on, as bits 4 and 5. */
@inline function highTwo(bytes: v128, at: i32): v128 { return i8x16.shl(v128.and(i8x16.shr_u(bytes, at), i8x16.splat(3)), 4); }

@unmanaged class Q6_K {
  @inline bytes(): i32 { return 210; }
  @inline codes(): i32 { return 256; }
  @inline subCodes(): i32 { return 16; }
  @inline bias(): i32 { return 32; }
  @inline highest(): i32 { return 63; }
  @inline halves(): i32 { return 1; }
  @inline half(i: i32): usize { return 208; }
  @inline smalls(): i32 { return 16; }
  @inline scales(): i32 { return 16; }
  @inline readSmalls(to: usize): void { v128.store(to, v128.load(changetype<usize>(this), 192)); }
  @inline writeSmalls(from: usize): void { v128.store(changetype<usize>(this), v128.load(from), 192); }
  @inline step(j: i32, smalls: usize): f32 { return halfAt(changetype<usize>(this) + 208) * <f32>load<i8>(smalls + j); }
  @inline minimum(j: i32, smalls: usize): f32 { return 0; }
  @inline unpack(codes: usize): void {
    for (let half = 0; half < 2; half++, codes += 128) {
      for (let i = 0; i < 32; i += 16) {
        const first = v128.load(changetype<usize>(this) + 64 * half + i), second = v128.load(changetype<usize>(this) + 64 * half + i, 32);
        const high = v128.load(changetype<usize>(this) + 32 * half + i, 128);
        v128.store(codes + i, v128.or(lowFour(first), highTwo(high, 0)));
        v128.store(codes + i, v128.or(lowFour(second), highTwo(high, 2)), 32);
        v128.store(codes + i, v128.or(i8x16.shr_u(first, 4), highTwo(high, 4)), 64);
        v128.store(codes + i, v128.or(i8x16.shr_u(second, 4), highTwo(high, 6)), 96);
      }
    }
  }
  @inline pack(codes: usize): void {
    for (let half = 0; half < 2; half++, codes += 128) {
      for (let i = 0; i < 32; i += 16) {
        const a = v128.load(codes + i), b = v128.load(codes + i, 32), c = v128.load(codes + i, 64), d = v128.load(codes + i, 96);
        v128.store(changetype<usize>(this) + 64 * half + i, v128.or(lowFour(a), i8x16.shl(c, 4)));
        v128.store(changetype<usize>(this) + 64 * half + i, v128.or(lowFour(b), i8x16.shl(d, 4)), 32);
        const low = v128.or(i8x16.shr_u(a, 4), i8x16.shl(i8x16.shr_u(b, 4), 2));
        const high = v128.or(i8x16.shl(i8x16.shr_u(c, 4), 4), i8x16.shl(i8x16.shr_u(d, 4), 6));
        v128.store(changetype<usize>(this) + 32 * half + i, v128.or(low, high), 128);
      }
    }
  }
}

export function encode_Q6_K(before: usize, after: usize, blocks: u32, to: usize, toEnd: usize, room: usize, rest: usize): usize {
  return encodeBlocks<Q6_K>(before, after, blocks, to, toEnd, room, rest);
}
export function decode_Q6_K(before: usize, after: usize, blocks: u32, from: usize, fromEnd: usize): bool {
  return decodeBlocks<Q6_K>(before, after, blocks, from, fromEnd);
}
