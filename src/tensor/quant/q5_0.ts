/**
 * Q5_0: 32 elements in 22 bytes (5.5 bits each). x = d * (q - 16), q in 0..31; h holds the fifth bit of each q.
 *
 *     byte  0    2              6                                 22
 *          [ d ][ h0 … h31     ][ q16 q0 ][ q17 q1 ] … [ q31 q15 ]
 *           f16   u32, h0 lowest  u4  u4                            high nibble, low nibble
 */
import { layout, readHalf, writeHalf } from './fields.ts';
import { readFifthBits, writeFifthBits } from './fifthBits.ts';
import { plainFormat, quantizeAgainstExtreme } from './plainBlock.ts';

const BLOCK_SIZE = 32;
const BLOCK_BYTES = 22;
const at = layout('Q5_0', BLOCK_BYTES, { d: 2, qh: 4, qs: 16 });
const quants = new Uint8Array(BLOCK_SIZE);

export const Q5_0 = plainFormat({
  name: 'Q5_0',
  ggmlType: 6,
  blockBytes: BLOCK_BYTES,
  ranges: { lowest: -16, highest: 15 },
  halves: [at.d],

  decodeBlock(from, block, to, x) {
    const d = readHalf(from, block + at.d);
    readFifthBits(from, block + at.qh, block + at.qs, quants);
    for (let i = 0; i < 32; i++) to[x + i] = d * (quants[i] - 16);
  },

  quantize(block, x, from, importance) {
    block.d = quantizeAgainstExtreme(x, from, importance, 16, block.quants);
  },

  pack(block, to, first) {
    writeHalf(to, first + at.d, block.d);
    writeFifthBits(to, first + at.qh, first + at.qs, block.quants);
  },
});
