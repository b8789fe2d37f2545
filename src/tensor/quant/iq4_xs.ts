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
import { fitLevels, levels, nearestLevel } from './nonLinear.ts';
import { perBlock } from './perBlock.ts';
import { roundWithin } from './round.ts';
import { fitScale, sumOf } from './search.ts';

const blockSize = 256;
const blockBytes = 136;
const at = layout('IQ4_XS', blockBytes, { d: 2, scalesHigh: 2, scalesLow: 4, qs: 128 });
const squares = new Float32Array(blockSize);
const scales = new Float32Array(8);
const weightSums = new Float32Array(8);

export const IQ4_XS = perBlock({
  name: 'IQ4_XS',
  ggmlType: 23,
  blockSize,
  blockBytes,

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

  /** Without importance, squared errors weigh as x². */
  encodeBlock(from, x, to, block, importance) {
    const weights = importance ?? squares;
    const weightsFrom = importance ? x : 0;
    if (!importance) for (let i = 0; i < blockSize; i++) squares[i] = from[x + i] ** 2;
    for (let j = 0; j < 8; j++) {
      scales[j] = fitLevels(from, x + j * 32, 32, weights, weightsFrom + j * 32);
      weightSums[j] = sumOf(weights, weightsFrom + j * 32, 32);
    }
    const d = writeHalf(to, block + at.d, fitScale(scales, 0, 8, weightSums, 0, -32, 31));
    let scalesHigh = 0;
    for (let j = 0; j < 8; j++) {
      const scale = d === 0 ? 0 : roundWithin(scales[j] / d, -32, 31);
      const s = scale + 32;
      const low = block + at.scalesLow + (j >> 1);
      to[low] = j & 1 ? to[low] | ((s & 15) << 4) : s & 15;
      scalesHigh |= (s >> 4) << (2 * j);
      const inverse = scale === 0 ? 0 : 1 / (d * scale);
      for (let i = 0; i < 16; i++) {
        const first = x + j * 32 + i;
        to[block + at.qs + j * 16 + i] =
          nearestLevel(from[first] * inverse) | (nearestLevel(from[first + 16] * inverse) << 4);
      }
    }
    to[block + at.scalesHigh] = scalesHigh;
    to[block + at.scalesHigh + 1] = scalesHigh >> 8;
  },
});
