/**
 * Q4_1: 32 elements in 20 bytes (5 bits each). x = d * q + m, q in 0..15.
 *
 *     byte  0    2    4                                 20
 *          [ d ][ m ][ q16 q0 ][ q17 q1 ] … [ q31 q15 ]
 *           f16  f16   u4  u4                            high nibble, low nibble
 */
import { layout, readHalf, writeHalf } from './fields.ts';
import { plainFormat, quantizeRange, range } from './plainBlock.ts';

const BLOCK_BYTES = 20;
const at = layout('Q4_1', BLOCK_BYTES, { d: 2, m: 2, qs: 16 });

export const Q4_1 = plainFormat({
  name: 'Q4_1',
  ggmlType: 3,
  blockBytes: BLOCK_BYTES,
  ranges: { lowest: 0, highest: 15, hasMin: true },
  halves: [at.d, at.m],

  decodeBlock(from, block, to, x) {
    const d = readHalf(from, block + at.d);
    const m = readHalf(from, block + at.m);
    for (let i = 0; i < 16; i++) {
      const pair = from[block + at.qs + i];
      to[x + i] = d * (pair & 15) + m;
      to[x + 16 + i] = d * (pair >> 4) + m;
    }
  },

  quantize(block, x, from, importance) {
    quantizeRange(x, from, importance, 15, block.quants);
    block.d = range.scale;
    block.dmin = range.min;
  },

  pack(block, to, first) {
    writeHalf(to, first + at.d, block.d);
    writeHalf(to, first + at.m, -block.dmin);
    for (let i = 0; i < 16; i++) to[first + at.qs + i] = block.quants[i] | (block.quants[16 + i] << 4);
  },
});
