/**
 * Q8_0: 32 elements in 34 bytes (8.5 bits each). x = d * q, q in -128..127.
 *
 *     byte  0    2                            34
 *          [ d ][ q0 ][ q1 ] … [ q30 ][ q31 ]
 *           f16   i8
 */
import { layout, readHalf, writeHalf } from './fields.ts';
import { plainFormat } from './plainBlock.ts';
import { roundAwayFromZero } from './round.ts';
import { extremeOf } from './search.ts';

const BLOCK_SIZE = 32;
const BLOCK_BYTES = 34;
const at = layout('Q8_0', BLOCK_BYTES, { d: 2, qs: 32 });

export const Q8_0 = plainFormat({
  name: 'Q8_0',
  ggmlType: 8,
  blockBytes: BLOCK_BYTES,
  ranges: { lowest: -128, highest: 127 },
  halves: [at.d],

  decodeBlock(from, block, to, x) {
    const d = readHalf(from, block + at.d);
    for (let i = 0; i < 32; i++) to[x + i] = d * ((from[block + at.qs + i] << 24) >> 24);
  },

  /** The greatest magnitude becomes ±127. The bytes equal those of ggml's reference encoder. Ignores importance. */
  quantize(block, x, from) {
    const d = Math.fround(Math.abs(extremeOf(x, from, BLOCK_SIZE)) / 127);
    const inverse = d === 0 ? 0 : Math.fround(1 / d);
    block.d = d;
    for (let i = 0; i < 32; i++) block.quants[i] = roundAwayFromZero(Math.fround(x[from + i] * inverse)) + 128;
  },

  pack(block, to, first) {
    writeHalf(to, first + at.d, block.d);
    for (let i = 0; i < 32; i++) to[first + at.qs + i] = block.quants[i] - 128;
  },
});
