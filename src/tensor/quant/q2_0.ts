/**
 * Q2_0: 64 elements in 18 bytes (2.25 bits each). x = (q − 1) * d, q in 0..3.
 *
 *     byte  0    2                              18
 *          [ d ][ qs: [ q(4i+3) … q(4i) ]        ]     byte i, high bits left
 *           f16
 */
import { layout, readHalf } from './fields.ts';
import { decodeOnly } from './perBlock.ts';

const BLOCK_SIZE = 64;
const BLOCK_BYTES = 18;
const at = layout('Q2_0', BLOCK_BYTES, { d: 2, qs: 16 });

export const Q2_0 = decodeOnly({
  name: 'Q2_0',
  ggmlType: 42,
  blockSize: BLOCK_SIZE,
  blockBytes: BLOCK_BYTES,

  decodeBlock(from, block, to, x) {
    const d = readHalf(from, block + at.d);
    for (let i = 0; i < BLOCK_SIZE; i++) to[x + i] = (((from[block + at.qs + (i >> 2)] >> (2 * (i & 3))) & 3) - 1) * d;
  },
});
