/**
 * Q5_K: 256 elements in 176 bytes (5.5 bits each), 8 sub-blocks of 32. x = d * s * q - dmin * m, q in 0..31,
 * s and m of the sub-block in 0..63 (their packing: sixBitScales.ts); h holds the fifth bit of each q.
 *
 *     byte  0    2       4                  16               48                         176
 *          [ d ][ dmin ][ scales: s and m ][ qh: h of each ][ qs: 4 low bits of each q ]
 *           f16  f16
 *
 *     qh, byte i:               [ h(224+i) … h(32+i) h(i) ]   high bits left
 *     qs, bytes 0..31, byte i:  [ q(32+i) q(i) ]              each next 32 bytes the same for the next 64 elements
 */
import { layout, readHalf, writeHalf } from './fields.ts';
import { readMin, readScale, writeScalesAndMins } from './sixBitScales.ts';
import { superBlockFormat } from './superBlock.ts';

const BLOCK_BYTES = 176;
const at = layout('Q5_K', BLOCK_BYTES, { d: 2, dmin: 2, scales: 12, qh: 32, qs: 128 });
const ranges = { size: 32, lowest: 0, highest: 31, lowestScale: 0, highestScale: 63, highestMin: 63 };

export const Q5_K = superBlockFormat({
  name: 'Q5_K',
  ggmlType: 13,
  blockBytes: BLOCK_BYTES,
  ranges,
  halves: [at.d, at.dmin],

  decodeBlock(from, block, to, x) {
    const d = readHalf(from, block + at.d);
    const dmin = readHalf(from, block + at.dmin);
    const qh = block + at.qh;
    for (let j = 0; j < 8; j++) {
      const step = d * readScale(from, block + at.scales, j);
      const min = dmin * readMin(from, block + at.scales, j);
      const qs = block + at.qs + (j >> 1) * 32;
      for (let i = 0; i < 32; i++) {
        const q = (from[qs + i] >> (4 * (j & 1))) & 15;
        const h = (from[qh + i] >> j) & 1;
        to[x + j * 32 + i] = step * (q | (h << 4)) - min;
      }
    }
  },

  pack(block, to, first) {
    const { quants } = block;
    writeHalf(to, first + at.d, block.d);
    writeHalf(to, first + at.dmin, block.dmin);
    writeScalesAndMins(to, first + at.scales, block.scales, block.mins);
    for (let i = 0; i < 32; i++) {
      let bits = 0;
      for (let j = 0; j < 8; j++) bits |= (quants[j * 32 + i] >> 4) << j;
      to[first + at.qh + i] = bits;
    }
    for (let i = 0; i < 128; i++) {
      const q = (i >> 5) * 64 + (i & 31);
      to[first + at.qs + i] = (quants[q] & 15) | ((quants[q + 32] & 15) << 4);
    }
  },
});
