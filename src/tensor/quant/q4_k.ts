/**
 * Q4_K: 256 elements in 144 bytes (4.5 bits each), 8 sub-blocks of 32. x = d * s * q - dmin * m, q in 0..15,
 * s and m of the sub-block in 0..63 (their packing: sixBitScales.ts).
 *
 *     byte  0    2       4                  16                      144
 *          [ d ][ dmin ][ scales: s and m ][ qs: 4 bits of each q ]
 *           f16  f16
 *
 *     qs, bytes 0..31, byte i:  [ q(32+i) q(i) ]   high nibble left; each next 32 bytes the same for the next 64 elements
 */
import { layout, readHalf, writeHalf } from './fields.ts';
import { readMin, readScale, writeScalesAndMins } from './sixBitScales.ts';
import { superBlockFormat } from './superBlock.ts';

const BLOCK_BYTES = 144;
const at = layout('Q4_K', BLOCK_BYTES, { d: 2, dmin: 2, scales: 12, qs: 128 });
const ranges = { size: 32, lowest: 0, highest: 15, lowestScale: 0, highestScale: 63, highestMin: 63 };

export const Q4_K = superBlockFormat({
  name: 'Q4_K',
  ggmlType: 12,
  blockBytes: BLOCK_BYTES,
  ranges,
  halves: [at.d, at.dmin],

  decodeBlock(from, block, to, x) {
    const d = readHalf(from, block + at.d);
    const dmin = readHalf(from, block + at.dmin);
    for (let j = 0; j < 8; j++) {
      const step = d * readScale(from, block + at.scales, j);
      const min = dmin * readMin(from, block + at.scales, j);
      const qs = block + at.qs + (j >> 1) * 32;
      for (let i = 0; i < 32; i++) to[x + j * 32 + i] = step * ((from[qs + i] >> (4 * (j & 1))) & 15) - min;
    }
  },

  pack(block, to, first) {
    const { quants } = block;
    writeHalf(to, first + at.d, block.d);
    writeHalf(to, first + at.dmin, block.dmin);
    writeScalesAndMins(to, first + at.scales, block.scales, block.mins);
    for (let i = 0; i < 128; i++) {
      const q = (i >> 5) * 64 + (i & 31);
      to[first + at.qs + i] = quants[q] | (quants[q + 32] << 4);
    }
  },
});
