/**
 * Q4_0: 32 elements in 18 bytes (4.5 bits each). x = d * (q - 8), q in 0..15.
 *
 *     byte  0    2                                 18
 *          [ d ][ q16 q0 ][ q17 q1 ] … [ q31 q15 ]
 *           f16   u4  u4                            high nibble, low nibble
 */
import { layout, readHalf, writeHalf } from './fields.ts';
import { plainFormat, quantizeAgainstExtreme } from './plainBlock.ts';

const BLOCK_BYTES = 18;
const at = layout('Q4_0', BLOCK_BYTES, { d: 2, qs: 16 });

export const Q4_0 = plainFormat({
  name: 'Q4_0',
  ggmlType: 2,
  blockBytes: BLOCK_BYTES,
  ranges: { lowest: -8, highest: 7 },
  halves: [at.d],

  decodeBlock(from, block, to, x) {
    const d = readHalf(from, block + at.d);
    for (let i = 0; i < 16; i++) {
      const pair = from[block + at.qs + i];
      to[x + i] = d * ((pair & 15) - 8);
      to[x + 16 + i] = d * ((pair >> 4) - 8);
    }
  },

  quantize(block, x, from, importance) {
    block.d = quantizeAgainstExtreme(x, from, importance, 8, block.quants);
  },

  pack(block, to, first) {
    writeHalf(to, first + at.d, block.d);
    for (let i = 0; i < 16; i++) to[first + at.qs + i] = block.quants[i] | (block.quants[16 + i] << 4);
  },
});
