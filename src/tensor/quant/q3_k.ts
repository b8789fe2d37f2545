/**
 * Q3_K: 256 elements in 110 bytes (3.4375 bits each), 16 sub-blocks of 16. x = d * (s - 32) * (q - 4), q in 0..7,
 * s of the sub-block in 0..63; h holds the third bit of each q.
 *
 *     byte  0                  32                        96                    108  110
 *          [ hmask: h of each ][ qs: 2 low bits of each ][ scales: 6 bits each ][ d ]
 *                                                                                f16
 *     hmask, byte i:          [ h(224+i) … h(32+i) h(i) ]             high bits left
 *     qs, bytes 0..31, byte i: [ q(96+i) q(64+i) q(32+i) q(i) ]       bytes 32..63 the same for q(128+…)
 *     scales, bytes 0..7:     [ s(8+i) s(i) ]                         the low 4 bits of each
 *             bytes 8..11:    [ s(12+i) s(8+i) s(4+i) s(i) ]          the high 2 bits of each
 */
import { layout, readHalf, writeHalf } from './fields.ts';
import { superBlockFormat } from './superBlock.ts';
import { writeTwoBits } from './twoBits.ts';

const BLOCK_BYTES = 110;
const at = layout('Q3_K', BLOCK_BYTES, { hmask: 32, qs: 64, scales: 12, d: 2 });
const ranges = { size: 16, lowest: -4, highest: 3, lowestScale: -32, highestScale: 31, highestMin: 0 };

export const Q3_K = superBlockFormat({
  name: 'Q3_K',
  ggmlType: 11,
  blockBytes: BLOCK_BYTES,
  ranges,
  halves: [at.d],

  decodeBlock(from, block, to, x) {
    const d = readHalf(from, block + at.d);
    const scales = block + at.scales;
    for (let j = 0; j < 16; j++) {
      const low = (from[scales + (j & 7)] >> (4 * (j >> 3))) & 15;
      const high = (from[scales + 8 + (j & 3)] >> (2 * (j >> 2))) & 3;
      const step = d * ((low | (high << 4)) - 32);
      const qs = block + at.qs + (j >> 3) * 32 + (j & 1) * 16;
      const hmask = block + at.hmask + (j & 1) * 16;
      for (let i = 0; i < 16; i++) {
        const q = (from[qs + i] >> (2 * ((j >> 1) & 3))) & 3;
        const h = (from[hmask + i] >> (j >> 1)) & 1;
        to[x + j * 16 + i] = step * ((q | (h << 2)) - 4);
      }
    }
  },

  pack(block, to, first) {
    const { quants, scales } = block;
    for (let i = 0; i < 32; i++) {
      let bits = 0;
      for (let j = 0; j < 8; j++) bits |= (quants[j * 32 + i] >> 2) << j;
      to[first + at.hmask + i] = bits;
    }
    writeTwoBits(to, first + at.qs, quants);
    for (let j = 0; j < 8; j++) {
      to[first + at.scales + j] = ((scales[j] + 32) & 15) | (((scales[8 + j] + 32) & 15) << 4);
    }
    for (let j = 0; j < 4; j++) {
      let bits = 0;
      for (let k = 0; k < 4; k++) bits |= ((scales[k * 4 + j] + 32) >> 4) << (2 * k);
      to[first + at.scales + 8 + j] = bits;
    }
    writeHalf(to, first + at.d, block.d);
  },
});
