/**
 * Q5_1: 32 elements in 24 bytes (6 bits each). x = d * q + m, q in 0..31; h holds the fifth bit of each q.
 *
 *     byte  0    2    4              8                                 24
 *          [ d ][ m ][ h0 … h31     ][ q16 q0 ][ q17 q1 ] … [ q31 q15 ]
 *           f16  f16   u32, h0 lowest  u4  u4                            high nibble, low nibble
 */
import { layout, readHalf, writeHalf } from './fields.ts';
import { readFifthBits, writeFifthBits } from './fifthBits.ts';
import { plainFormat, quantizeRange, range } from './plainBlock.ts';

const BLOCK_SIZE = 32;
const BLOCK_BYTES = 24;
const at = layout('Q5_1', BLOCK_BYTES, { d: 2, m: 2, qh: 4, qs: 16 });
const quants = new Uint8Array(BLOCK_SIZE);

export const Q5_1 = plainFormat({
  name: 'Q5_1',
  ggmlType: 7,
  blockBytes: BLOCK_BYTES,
  ranges: { lowest: 0, highest: 31, hasMin: true },
  halves: [at.d, at.m],

  decodeBlock(from, block, to, x) {
    const d = readHalf(from, block + at.d);
    const m = readHalf(from, block + at.m);
    readFifthBits(from, block + at.qh, block + at.qs, quants);
    for (let i = 0; i < 32; i++) to[x + i] = d * quants[i] + m;
  },

  quantize(block, x, from, importance) {
    quantizeRange(x, from, importance, 31, block.quants);
    block.d = range.scale;
    block.dmin = range.min;
  },

  pack(block, to, first) {
    writeHalf(to, first + at.d, block.d);
    writeHalf(to, first + at.m, -block.dmin);
    writeFifthBits(to, first + at.qh, first + at.qs, block.quants);
  },
});
