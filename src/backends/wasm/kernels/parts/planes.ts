/**
 * How the codes of 8 rows × 32 columns lie in packed weights. Rows are in SIMD lanes: a vector holds 4 rows (half 0:
 * rows 0–3, half 1: rows 4–7) × 4 consecutive columns, a quad; lane 4·row + k. Quads i and i+4 (i = 0 … 3) share bytes:
 *
 *   nibbles, 128 bytes   vector 2i+half     bits 0–3 quad i       bits 4–7 quad i+4
 *   two-bits, 64 bytes   vector 2p+half     bits 0–1 quad 2p      2–3 quad 2p+1     4–5 quad 2p+4     6–7 quad 2p+5
 *   bits, 32 bytes       vector half        bit q    quad q
 */

@inline export function nibbles(p: usize, i: i32, half: i32): v128 { return v128.load(p + 32 * i + 16 * half); }
@inline export function lowNibble(n: v128): v128 { return v128.and(n, i8x16.splat(15)); }
@inline export function highNibble(n: v128): v128 { return v128.and(i16x8.shr_u(n, 4), i8x16.splat(15)); }

@inline export function twoBits(p: usize, i: i32, half: i32): v128 { return v128.load(p + 32 * (i >> 1) + 16 * half); }

/** Bit q of each byte of v, moved to bit `to`. */
@inline export function bitOf(v: v128, q: i32, to: i32): v128 {
  const moved = q > to ? i16x8.shr_u(v, q - to) : i16x8.shl(v, to - q);
  return v128.and(moved, i8x16.splat(<i8>(<i32>1 << to)));
}

/** Bits q and q+1 of each byte of v, moved to bits `to` and `to`+1. */
@inline export function bitsOf(v: v128, q: i32, to: i32): v128 {
  const moved = q > to ? i16x8.shr_u(v, q - to) : i16x8.shl(v, to - q);
  return v128.and(moved, i8x16.splat(<i8>(<i32>3 << to)));
}

/** Places one row's 16 bytes of nibbles (low: columns 0–15, high: 16–31). */
@inline export function placeNibbles(to: usize, row: i32, from: usize): void {
  const base = to + 16 * (row >> 2) + 4 * (row & 3);
  store<u32>(base, load<u32>(from));
  store<u32>(base, load<u32>(from, 4), 32);
  store<u32>(base, load<u32>(from, 8), 64);
  store<u32>(base, load<u32>(from, 12), 96);
}

/** Places bits 0–3 of one row's 32 codes. */
export function placeCodeNibbles(to: usize, row: i32, codes: usize): void {
  const base = to + 16 * (row >> 2) + 4 * (row & 3);
  for (let i = 0; i < 4; i++) {
    const word = (load<u32>(codes + 4 * i) & 0x0f0f0f0f) | ((load<u32>(codes + 16 + 4 * i) & 0x0f0f0f0f) << 4);
    store<u32>(base + 32 * i, word);
  }
}

/** Places bits `from` and `from`+1 of one row's 32 codes into the two-bit plane. */
export function placeTwoBits(to: usize, row: i32, codes: usize, from: i32): void {
  const base = to + 16 * (row >> 2) + 4 * (row & 3);
  for (let p = 0; p < 2; p++) {
    const a = (load<u32>(codes + 8 * p) >> from) & 0x03030303;
    const b = (load<u32>(codes + 8 * p + 4) >> from) & 0x03030303;
    const c = (load<u32>(codes + 8 * p + 16) >> from) & 0x03030303;
    const d = (load<u32>(codes + 8 * p + 20) >> from) & 0x03030303;
    store<u32>(base + 32 * p, a | (b << 2) | (c << 4) | (d << 6));
  }
}

/** Places bit `from` of one row's 32 codes into the bit plane. */
export function placeBits(to: usize, row: i32, codes: usize, from: i32): void {
  const base = to + 16 * (row >> 2) + 4 * (row & 3);
  let word: u32 = 0;
  for (let q = 0; q < 8; q++) word |= ((load<u32>(codes + 4 * q) >> from) & 0x01010101) << q;
  store<u32>(base, word);
}
