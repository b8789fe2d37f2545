/** The 5-bit integers of Q5_0 and Q5_1: nibbles in 16 bytes, fifth bits in 4. */

/** @param high byte of the fifth bits, @param low first byte of the nibbles, @param quants receives 32 integers */
export function readFifthBits(from: Uint8Array, high: number, low: number, quants: Uint8Array): void {
  for (let i = 0; i < 32; i++) {
    const nibble = (from[low + (i & 15)] >> (i < 16 ? 0 : 4)) & 15;
    const fifth = (from[high + (i >> 3)] >> (i & 7)) & 1;
    quants[i] = nibble | (fifth << 4);
  }
}

/** @param high byte of the fifth bits, @param low first byte of the nibbles, @param quants 32 integers */
export function writeFifthBits(to: Uint8Array, high: number, low: number, quants: Uint8Array): void {
  for (let i = 0; i < 16; i++) to[low + i] = (quants[i] & 15) | ((quants[16 + i] & 15) << 4);
  for (let i = 0; i < 32; i += 8) {
    let bits = 0;
    for (let j = 0; j < 8; j++) bits |= (quants[i + j] >> 4) << j;
    to[high + (i >> 3)] = bits;
  }
}
