/**
 * Q6_K: 256 elements in 210 bytes (6.5625 bits each), 16 sub-blocks of 16. x = d * s * (q - 32), q in 0..63,
 * s of the sub-block in -128..127.
 *
 *     byte  0                          128                         192              208  210
 *          [ ql: 4 low bits of each q ][ qh: 2 high bits of each q ][ s0 … s15: i8 ][ d ]
 *                                                                                    f16
 *     ql, bytes 0..31, byte i:   [ q(64+i) q(i)    ]                high bits left
 *         bytes 32..63:          [ q(96+i) q(32+i) ]                bytes 64..127 the same for q(128+…)
 *     qh, bytes 0..31, byte i:   [ q(96+i) q(64+i) q(32+i) q(i) ]   bytes 32..63 the same for q(128+…)
 */
import { layout, readHalf, writeHalf } from './fields.ts';
import { superBlockFormat } from './superBlock.ts';

const BLOCK_BYTES = 210;
const at = layout('Q6_K', BLOCK_BYTES, { ql: 128, qh: 64, scales: 16, d: 2 });
const ranges = { size: 16, lowest: -32, highest: 31, lowestScale: -128, highestScale: 127, highestMin: 0 };

export const Q6_K = superBlockFormat({
  name: 'Q6_K',
  ggmlType: 14,
  blockBytes: BLOCK_BYTES,
  ranges,
  halves: [at.d],

  decodeBlock(from, block, to, x) {
    const d = readHalf(from, block + at.d);
    for (let j = 0; j < 16; j++) {
      const step = d * ((from[block + at.scales + j] << 24) >> 24);
      // which quarter of its 128 elements the sub-block is in, and which half of the quarter
      const quarter = (j >> 1) & 3;
      const half = (j & 1) * 16;
      const ql = block + at.ql + (j >> 3) * 64 + (quarter & 1) * 32 + half;
      const qh = block + at.qh + (j >> 3) * 32 + half;
      for (let i = 0; i < 16; i++) {
        const low = (from[ql + i] >> (4 * (quarter >> 1))) & 15;
        const high = (from[qh + i] >> (2 * quarter)) & 3;
        to[x + j * 16 + i] = step * ((low | (high << 4)) - 32);
      }
    }
  },

  pack(block, to, first) {
    const { quants } = block;
    for (let h = 0; h < 2; h++) {
      for (let i = 0; i < 32; i++) {
        const q = h * 128 + i;
        const [q0, q1, q2, q3] = [quants[q], quants[q + 32], quants[q + 64], quants[q + 96]];
        to[first + at.ql + h * 64 + i] = (q0 & 15) | ((q2 & 15) << 4);
        to[first + at.ql + h * 64 + 32 + i] = (q1 & 15) | ((q3 & 15) << 4);
        to[first + at.qh + h * 32 + i] = (q0 >> 4) | ((q1 >> 4) << 2) | ((q2 >> 4) << 4) | ((q3 >> 4) << 6);
      }
    }
    for (let j = 0; j < 16; j++) to[first + at.scales + j] = block.scales[j];
    writeHalf(to, first + at.d, block.d);
  },
});
