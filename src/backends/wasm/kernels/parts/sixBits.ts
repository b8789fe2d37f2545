/** The 8 scales and 8 minima of Q4_K and Q5_K, 6 bits each, in 12 bytes (drawn in tensor/quant/sixBitScales.ts). */

/** Stores a row's scales `tile` bytes apart, and each minimum 8 bytes after its scale. */
@inline export function placeSixBits(to: usize, tile: usize, from: usize): void {
  const scales = load<u32>(from), minima = load<u32>(from, 4), low = load<u32>(from, 8);
  let s = <u64>(scales & 0x3f3f3f3f) | <u64>((low & 0x0f0f0f0f) | (scales >> 2 & 0x30303030)) << 32;
  let m = <u64>(minima & 0x3f3f3f3f) | <u64>((low >> 4 & 0x0f0f0f0f) | (minima >> 2 & 0x30303030)) << 32;
  for (let i = 0; i < 8; i++) {
    store<u8>(to, <u8>s);
    store<u8>(to, <u8>m, 8);
    s >>= 8;
    m >>= 8;
    to += tile;
  }
}
