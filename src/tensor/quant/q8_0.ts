/**
 * Q8_0: 32 elements in 34 bytes (8.5 bits each). x = d * q, q in -128..127.
 *
 *     byte  0    2                            34
 *          [ d ][ q0 ][ q1 ] … [ q30 ][ q31 ]
 *           f16   i8
 */
import { layout, readHalf, writeHalf } from './fields.ts';
import { perBlock } from './perBlock.ts';
import { roundAwayFromZero } from './round.ts';
import { extremeOf } from './search.ts';

const BLOCK_SIZE = 32;
const BLOCK_BYTES = 34;
const at = layout('Q8_0', BLOCK_BYTES, { d: 2, qs: 32 });

export const Q8_0 = perBlock({
  name: 'Q8_0',
  ggmlType: 8,
  blockSize: BLOCK_SIZE,
  blockBytes: BLOCK_BYTES,

  decodeBlock(from, block, to, x) {
    const d = readHalf(from, block + at.d);
    for (let i = 0; i < 32; i++) to[x + i] = d * ((from[block + at.qs + i] << 24) >> 24);
  },

  /** The greatest magnitude becomes ±127. The bytes equal those of ggml's reference encoder. Ignores importance. */
  encodeBlock(from, x, to, block) {
    const d = Math.fround(Math.abs(extremeOf(from, x, BLOCK_SIZE)) / 127);
    const inverse = d === 0 ? 0 : Math.fround(1 / d);
    writeHalf(to, block + at.d, d);
    for (let i = 0; i < 32; i++) to[block + at.qs + i] = roundAwayFromZero(Math.fround(from[x + i] * inverse));
  },
});
