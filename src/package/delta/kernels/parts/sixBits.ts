/** The 8 scales and 8 minima of Q4_K and Q5_K, 6 bits each in 12 bytes (tensor/quant/sixBitScales.ts), ↔ a byte each. */

export function readSixBits(from: usize, to: usize): void {
  for (let j = 0; j < 4; j++) {
    const scale = load<u8>(from + j), minimum = load<u8>(from + j, 4), low = load<u8>(from + j, 8);
    store<u8>(to + j, scale & 63);
    store<u8>(to + j, low & 15 | scale >> 6 << 4, 4);
    store<u8>(to + j, minimum & 63, 8);
    store<u8>(to + j, low >> 4 | minimum >> 6 << 4, 12);
  }
}

export function writeSixBits(from: usize, to: usize): void {
  for (let j = 0; j < 4; j++) {
    const s = load<u8>(from + j), s4 = load<u8>(from + j, 4), m = load<u8>(from + j, 8), m4 = load<u8>(from + j, 12);
    store<u8>(to + j, s & 63 | s4 >> 4 << 6);
    store<u8>(to + j, m & 63 | m4 >> 4 << 6, 4);
    store<u8>(to + j, s4 & 15 | m4 << 4, 8);
  }
}
