/**
 * Q5_0: 32 elements in 22 bytes (5.5 bits each). x = d * (q - 16), q in 0..31; h holds the fifth bit of each q.
 *
 *     byte  0    2              6                                 22
 *          [ d ][ h0 … h31     ][ q16 q0 ][ q17 q1 ] … [ q31 q15 ]
 *           f16   u32, h0 lowest  u4  u4                            high nibble, low nibble
 */
import { layout, readHalf, writeHalf } from './fields.ts';
import { readFifthBits, writeFifthBits } from './fifthBits.ts';
import { perBlock } from './perBlock.ts';
import { quantizeAgainstExtreme } from './plainBlock.ts';

const BLOCK_SIZE = 32;
const BLOCK_BYTES = 22;
const at = layout('Q5_0', BLOCK_BYTES, { d: 2, qh: 4, qs: 16 });
const quants = new Uint8Array(BLOCK_SIZE);

export const Q5_0 = perBlock({
  name: 'Q5_0',
  ggmlType: 6,
  blockSize: BLOCK_SIZE,
  blockBytes: BLOCK_BYTES,

  decodeBlock(from, block, to, x) {
    const d = readHalf(from, block + at.d);
    readFifthBits(from, block + at.qh, block + at.qs, quants);
    for (let i = 0; i < 32; i++) to[x + i] = d * (quants[i] - 16);
  },

  encodeBlock(from, x, to, block, importance) {
    writeHalf(to, block + at.d, quantizeAgainstExtreme(from, x, importance, 16, quants));
    writeFifthBits(to, block + at.qh, block + at.qs, quants);
  },
});
