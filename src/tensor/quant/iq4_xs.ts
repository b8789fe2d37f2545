/**
 * IQ4_XS: 256 elements in 136 bytes (4.25 bits each), 8 sub-blocks of 32. x = d * (s - 32) * levels[q], q in 0..15 (the
 * uneven levels: nonLinear.ts), s of the sub-block in 0..63.
 *
 *     byte  0    2                     4                    8                      136
 *          [ d ][ sh: 2 bits of each ][ sl: 4 bits of each ][ qs: 4 bits of each q ]
 *           f16
 *     sh, u16:                 [ s7 … s1 s0 ]                 the high 2 bits of each; high bits left
 *     sl, byte i:              [ s(2i+1) s(2i) ]              the low 4 bits of each
 *     qs, bytes 0..15, byte i: [ q(16+i) q(i) ]               each next 16 bytes the same for the next 32 elements
 */
import { layout, readHalf, writeHalf } from './fields.ts';
import { levels } from './nonLinear.ts';
import { superBlockFormat } from './superBlock.ts';

const BLOCK_BYTES = 136;
const at = layout('IQ4_XS', BLOCK_BYTES, { d: 2, scalesHigh: 2, scalesLow: 4, qs: 128 });
const ranges = {
  size: 32,
  lowest: 0,
  highest: 15,
  uneven: true,
  lowestScale: -32,
  highestScale: 31,
  highestMin: 0,
} as const;

export const IQ4_XS = superBlockFormat({
  name: 'IQ4_XS',
  ggmlType: 23,
  blockBytes: BLOCK_BYTES,
  ranges,
  halves: [at.d],

  decodeBlock(from, block, to, x) {
    const d = readHalf(from, block + at.d);
    const scalesHigh = from[block + at.scalesHigh] | (from[block + at.scalesHigh + 1] << 8);
    for (let j = 0; j < 8; j++) {
      const low = (from[block + at.scalesLow + (j >> 1)] >> (4 * (j & 1))) & 15;
      const high = (scalesHigh >> (2 * j)) & 3;
      const step = d * ((low | (high << 4)) - 32);
      for (let i = 0; i < 16; i++) {
        const pair = from[block + at.qs + j * 16 + i];
        to[x + j * 32 + i] = step * levels[pair & 15];
        to[x + j * 32 + 16 + i] = step * levels[pair >> 4];
      }
    }
  },

  pack(block, to, first) {
    const { quants, scales } = block;
    writeHalf(to, first + at.d, block.d);
    let scalesHigh = 0;
    for (let j = 0; j < 8; j++) scalesHigh |= ((scales[j] + 32) >> 4) << (2 * j);
    to[first + at.scalesHigh] = scalesHigh;
    to[first + at.scalesHigh + 1] = scalesHigh >> 8;
    for (let j = 0; j < 4; j++) {
      to[first + at.scalesLow + j] = ((scales[2 * j] + 32) & 15) | (((scales[2 * j + 1] + 32) & 15) << 4);
    }
    for (let i = 0; i < 128; i++) {
      const q = (i >> 4) * 32 + (i & 15);
      to[first + at.qs + i] = quants[q] | (quants[q + 16] << 4);
    }
  },
});
