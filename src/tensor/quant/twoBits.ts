/**
 * Packs the low two bits of 256 integers into 64 bytes: byte i of the first 32 holds elements i, 32+i, 64+i, 96+i, lowest
 * bits first; the second 32 bytes hold elements 128 to 255 likewise.
 */
export function writeTwoBits(to: Uint8Array, at: number, quants: Uint8Array): void {
  for (let i = 0; i < 64; i++) {
    const q = (i >> 5) * 128 + (i & 31);
    to[at + i] =
      (quants[q] & 3) | ((quants[q + 32] & 3) << 2) | ((quants[q + 64] & 3) << 4) | ((quants[q + 96] & 3) << 6);
  }
}
