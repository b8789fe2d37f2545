/** Codes of blocks as they are packed ↔ one byte each, in the order of elements. */

/** 32 codes of 4 bits: 0 … 15 in the low nibbles of 16 bytes, 16 … 31 in the high ones. */
@inline export function unpackNibbles(from: usize, codes: usize): void {
  const bytes = v128.load(from);
  v128.store(codes, v128.and(bytes, i8x16.splat(15)));
  v128.store(codes, i8x16.shr_u(bytes, 4), 16);
}

@inline export function packNibbles(codes: usize, to: usize): void {
  v128.store(to, v128.or(v128.and(v128.load(codes), i8x16.splat(15)), i8x16.shl(v128.load(codes, 16), 4)));
}

/** Fifth bits of 32 codes, bit i of code i. */
@inline export function addBits(bits: u32, codes: usize): void {
  for (let i = 0; i < 32; i++) store<u8>(codes + i, load<u8>(codes + i) | <u8>((bits >> i & 1) << 4));
}

@inline export function takeBits(codes: usize): u32 {
  const high = i8x16.splat(16);
  const low = i8x16.bitmask(i8x16.eq(v128.and(v128.load(codes), high), high));
  return low | i8x16.bitmask(i8x16.eq(v128.and(v128.load(codes, 16), high), high)) << 16;
}

/** 256 codes of 4 bits: of every 32 bytes the low nibbles are 32 codes, the high ones the next 32. */
@inline export function unpackPairs(from: usize, codes: usize): void {
  for (let pair = 0; pair < 4; pair++, from += 32, codes += 64) {
    const a = v128.load(from), b = v128.load(from, 16);
    v128.store(codes, v128.and(a, i8x16.splat(15)));
    v128.store(codes, v128.and(b, i8x16.splat(15)), 16);
    v128.store(codes, i8x16.shr_u(a, 4), 32);
    v128.store(codes, i8x16.shr_u(b, 4), 48);
  }
}

@inline export function packPairs(codes: usize, to: usize): void {
  for (let pair = 0; pair < 4; pair++, to += 32, codes += 64) {
    v128.store(to, v128.or(v128.and(v128.load(codes), i8x16.splat(15)), i8x16.shl(v128.load(codes, 32), 4)));
    v128.store(to, v128.or(v128.and(v128.load(codes, 16), i8x16.splat(15)), i8x16.shl(v128.load(codes, 48), 4)), 16);
  }
}

/** 256 codes of 2 bits: of every 32 bytes bits 0 and 1 are 32 codes, bits 2 and 3 the next 32, and so on. */
@inline export function unpackTwoBits(from: usize, codes: usize): void {
  const mask = i8x16.splat(3);
  for (let half = 0; half < 2; half++, from += 32, codes += 128) {
    for (let i = 0; i < 32; i += 16) {
      const bytes = v128.load(from + i);
      v128.store(codes + i, v128.and(bytes, mask));
      v128.store(codes + i, v128.and(i8x16.shr_u(bytes, 2), mask), 32);
      v128.store(codes + i, v128.and(i8x16.shr_u(bytes, 4), mask), 64);
      v128.store(codes + i, i8x16.shr_u(bytes, 6), 96);
    }
  }
}

@inline export function packTwoBits(codes: usize, to: usize): void {
  const mask = i8x16.splat(3);
  for (let half = 0; half < 2; half++, to += 32, codes += 128) {
    for (let i = 0; i < 32; i += 16) {
      const a = v128.and(v128.load(codes + i), mask), b = v128.and(v128.load(codes + i, 32), mask);
      const c = v128.and(v128.load(codes + i, 64), mask), d = v128.load(codes + i, 96);
      v128.store(to + i, v128.or(v128.or(a, i8x16.shl(b, 2)), v128.or(i8x16.shl(c, 4), i8x16.shl(d, 6))));
    }
  }
}

/** Adds bit `at` of 256 codes from 32 bytes: bit j of byte i is that of code 32 · j + i. */
@inline export function addPlane(from: usize, codes: usize, at: i32): void {
  for (let i = 0; i < 32; i += 16) {
    const bytes = v128.load(from + i);
    for (let j = 0; j < 8; j++) {
      const bits = i8x16.shl(v128.and(i8x16.shr_u(bytes, j), i8x16.splat(1)), at);
      v128.store(codes + 32 * j + i, v128.or(v128.load(codes + 32 * j + i), bits));
    }
  }
}

@inline export function takePlane(codes: usize, to: usize, at: i32): void {
  for (let i = 0; i < 32; i += 16) {
    let bytes = i8x16.splat(0);
    for (let j = 0; j < 8; j++) {
      bytes = v128.or(bytes, i8x16.shl(v128.and(i8x16.shr_u(v128.load(codes + 32 * j + i), at), i8x16.splat(1)), j));
    }
    v128.store(to + i, bytes);
  }
}
