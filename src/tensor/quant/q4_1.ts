/**
 * Q4_1: 32 elements in 20 bytes (5 bits each). x = d * q + m, q in 0..15.
 *
 *     byte  0    2    4                                 20
 *          [ d ][ m ][ q16 q0 ][ q17 q1 ] … [ q31 q15 ]
 *           f16  f16   u4  u4                            high nibble, low nibble
 */
import { layout, readHalf, writeHalf } from './fields.ts';
import { perBlock } from './perBlock.ts';
import { quantizeRange, range } from './plainBlock.ts';

const BLOCK_SIZE = 32;
const BLOCK_BYTES = 20;
const at = layout('Q4_1', BLOCK_BYTES, { d: 2, m: 2, qs: 16 });
const quants = new Uint8Array(BLOCK_SIZE);

export const Q4_1 = perBlock({
  name: 'Q4_1',
  ggmlType: 3,
  blockSize: BLOCK_SIZE,
  blockBytes: BLOCK_BYTES,

  decodeBlock(from, block, to, x) {
    const d = readHalf(from, block + at.d);
    const m = readHalf(from, block + at.m);
    for (let i = 0; i < 16; i++) {
      const pair = from[block + at.qs + i];
      to[x + i] = d * (pair & 15) + m;
      to[x + 16 + i] = d * (pair >> 4) + m;
    }
  },

  encodeBlock(from, x, to, block, importance) {
    quantizeRange(from, x, importance, 15, quants);
    writeHalf(to, block + at.d, range.scale);
    writeHalf(to, block + at.m, -range.min);
    for (let i = 0; i < 16; i++) to[block + at.qs + i] = quants[i] | (quants[16 + i] << 4);
  },
});
