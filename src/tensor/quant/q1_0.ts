/**
 * Q1_0: 128 elements in 18 bytes (1.125 bits each). x = d or −d.
 *
 *     byte  0    2            18
 *          [ d ][ 128 bits: q ]     bit i of byte j is that of element 8j + i; x is d if it is set
 *           f16
 */
import { layout, readHalf } from './fields.ts';
import { decodeOnly } from './perBlock.ts';

const BLOCK_SIZE = 128;
const BLOCK_BYTES = 18;
const at = layout('Q1_0', BLOCK_BYTES, { d: 2, qs: 16 });

export const Q1_0 = decodeOnly({
  name: 'Q1_0',
  ggmlType: 41,
  blockSize: BLOCK_SIZE,
  blockBytes: BLOCK_BYTES,

  decodeBlock(from, block, to, x) {
    const d = readHalf(from, block + at.d);
    for (let i = 0; i < BLOCK_SIZE; i++) to[x + i] = (from[block + at.qs + (i >> 3)] >> (i & 7)) & 1 ? d : -d;
  },
});
