/**
 * IQ1_S: 256 elements in 50 bytes (1.5625 bits each), 8 sub-blocks of 32, each four vectors of 8.
 * x = d * (2s + 1) * (t + δ), s of the sub-block in 0..7, t = −1, 0 or 1: a vector of the codebook; δ = ±1/8.
 *
 *     byte  0    2               34            50
 *          [ d ][ low: 8 bits of ][ 8 × h: u16 ]
 *           f16   each index
 *     h:  [ δ: 1 ][ s: 3 ][ k3: 3 ][ k2: 3 ][ k1: 3 ][ k0: 3 ]     k: bits 8–10 of each index; δ is −1/8 if its bit is set
 */
import { codebookFormat } from './codebookBlock.ts';
import { iq1, iq1Levels } from './codebooks.ts';
import { layout, readHalf, writeHalf } from './fields.ts';

const BLOCK_BYTES = 50;
const at = layout('IQ1_S', BLOCK_BYTES, { d: 2, low: 32, high: 16 });

export const IQ1_S = codebookFormat({
  name: 'IQ1_S',
  ggmlType: 19,
  blockBytes: BLOCK_BYTES,
  ranges: {
    book: iq1,
    levels: iq1Levels,
    groupSize: 32,
    unit: 1,
    highest: 7,
    signs: 'shift',
    shift: 0.125,
    shiftSize: 32,
  },

  decodeBlock(from, block, to, x) {
    const d = readHalf(from, block + at.d);
    for (let j = 0; j < 8; j++) {
      const high = from[block + at.high + 2 * j] | (from[block + at.high + 2 * j + 1] << 8);
      const scale = d * (2 * ((high >> 12) & 7) + 1);
      const delta = high & 0x8000 ? -0.125 : 0.125;
      for (let v = 0; v < 4; v++) {
        const vector = from[block + at.low + 4 * j + v] | (((high >> (3 * v)) & 7) << 8);
        for (let i = 0; i < 8; i++) to[x + 32 * j + 8 * v + i] = scale * (iq1.digits[8 * vector + i] - 1 + delta);
      }
    }
  },

  pack({ d, scales, indices, isShiftedDown }, to, block) {
    writeHalf(to, block + at.d, d);
    for (let j = 0; j < 8; j++) {
      let high = (scales[j] << 12) | (isShiftedDown[j] << 15);
      for (let v = 0; v < 4; v++) {
        to[block + at.low + 4 * j + v] = indices[4 * j + v];
        high |= (indices[4 * j + v] >> 8) << (3 * v);
      }
      to[block + at.high + 2 * j] = high;
      to[block + at.high + 2 * j + 1] = high >> 8;
    }
  },
});
