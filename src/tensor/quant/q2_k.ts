/**
 * Q2_K: 256 elements in 84 bytes (2.625 bits each), 16 sub-blocks of 16. x = d * s * q - dmin * m, q in 0..3,
 * s and m of the sub-block in 0..15.
 *
 *     byte  0                        16                    80   82     84
 *          [ m0 s0 ] … [ m15 s15 ][ qs: 2 bits of each ][ d ][ dmin ]
 *            u4 u4                                       f16  f16
 *
 *     qs, bytes 0..31, byte i:  [ q(96+i) q(64+i) q(32+i) q(i) ]   high bits left; bytes 32..63 the same for q(128+…)
 */
import { layout, readHalf, writeHalf } from './fields.ts';
import { superBlockFormat } from './superBlock.ts';
import { writeTwoBits } from './twoBits.ts';

const BLOCK_BYTES = 84;
const at = layout('Q2_K', BLOCK_BYTES, { scales: 16, qs: 64, d: 2, dmin: 2 });
const ranges = { size: 16, lowest: 0, highest: 3, lowestScale: 0, highestScale: 15, highestMin: 15 };

export const Q2_K = superBlockFormat({
  name: 'Q2_K',
  ggmlType: 10,
  blockBytes: BLOCK_BYTES,
  ranges,
  halves: [at.d, at.dmin],

  decodeBlock(from, block, to, x) {
    const d = readHalf(from, block + at.d);
    const dmin = readHalf(from, block + at.dmin);
    for (let j = 0; j < 16; j++) {
      const packed = from[block + at.scales + j];
      const step = d * (packed & 15);
      const min = dmin * (packed >> 4);
      const shift = 2 * ((j >> 1) & 3);
      const qs = block + at.qs + (j >> 3) * 32 + (j & 1) * 16;
      for (let i = 0; i < 16; i++) to[x + j * 16 + i] = step * ((from[qs + i] >> shift) & 3) - min;
    }
  },

  pack(block, to, first) {
    for (let j = 0; j < 16; j++) to[first + at.scales + j] = block.scales[j] | (block.mins[j] << 4);
    writeTwoBits(to, first + at.qs, block.quants);
    writeHalf(to, first + at.d, block.d);
    writeHalf(to, first + at.dmin, block.dmin);
  },
});
