/**
 * Q4_0: 32 elements in 18 bytes (4.5 bits each). x = d * (q - 8), q in 0..15.
 *
 *     byte  0    2                                 18
 *          [ d ][ q16 q0 ][ q17 q1 ] … [ q31 q15 ]
 *           f16   u4  u4                            high nibble, low nibble
 */
import { layout, readHalf, writeHalf } from './fields.ts';
import { perBlock } from './perBlock.ts';
import { quantizeAgainstExtreme } from './plainBlock.ts';

const BLOCK_SIZE = 32;
const BLOCK_BYTES = 18;
const at = layout('Q4_0', BLOCK_BYTES, { d: 2, qs: 16 });
const quants = new Uint8Array(BLOCK_SIZE);

export const Q4_0 = perBlock({
  name: 'Q4_0',
  ggmlType: 2,
  blockSize: BLOCK_SIZE,
  blockBytes: BLOCK_BYTES,

  decodeBlock(from, block, to, x) {
    const d = readHalf(from, block + at.d);
    for (let i = 0; i < 16; i++) {
      const pair = from[block + at.qs + i];
      to[x + i] = d * ((pair & 15) - 8);
      to[x + 16 + i] = d * ((pair >> 4) - 8);
    }
  },

  encodeBlock(from, x, to, block, importance) {
    writeHalf(to, block + at.d, quantizeAgainstExtreme(from, x, importance, 8, quants));
    for (let i = 0; i < 16; i++) to[block + at.qs + i] = quants[i] | (quants[16 + i] << 4);
  },
});
