/**
 * IQ1_M: 256 elements in 56 bytes (1.75 bits each), 16 sub-blocks of 16, each two vectors of 8.
 * x = d * (2s + 1) * (t + δ), s of the sub-block in 0..7, t = −1, 0 or 1: a vector of the codebook; δ = ±1/8 of the vector.
 *
 *     byte  0               32              48           56
 *          [ low: 8 bits of ][ high: 16 u8  ][ 4 × c: u16 ]
 *            each index
 *     high, byte i:  [ δ(2i+1): 1 ][ k(2i+1): 3 ][ δ(2i): 1 ][ k(2i): 3 ]    k: bits 8–10 of an index; δ is −1/8 if its bit is set
 *     c, word i:     [ d: 4 ][ s(4i+3): 3 ][ s(4i+2): 3 ][ s(4i+1): 3 ][ s(4i): 3 ]    d: bits 4i … 4i+3 of a half float
 */
import { floatToHalf, halfToFloat } from '../../core/half.ts';
import { codebookFormat } from './codebookBlock.ts';
import { iq1, iq1Levels } from './codebooks.ts';
import { layout } from './fields.ts';

const BLOCK_BYTES = 56;
const at = layout('IQ1_M', BLOCK_BYTES, { low: 32, high: 16, scales: 8 });

export const IQ1_M = codebookFormat({
  name: 'IQ1_M',
  ggmlType: 29,
  blockBytes: BLOCK_BYTES,
  ranges: {
    book: iq1,
    levels: iq1Levels,
    groupSize: 16,
    unit: 1,
    highest: 7,
    signs: 'shift',
    shift: 0.125,
    shiftSize: 8,
  },

  decodeBlock(from, block, to, x) {
    const word = (i: number) => from[block + at.scales + 2 * i] | (from[block + at.scales + 2 * i + 1] << 8);
    const d = halfToFloat((word(0) >> 12) | ((word(1) >> 12) << 4) | ((word(2) >> 12) << 8) | ((word(3) >> 12) << 12));
    for (let v = 0; v < 32; v++) {
      const high = (from[block + at.high + (v >> 1)] >> (4 * (v & 1))) & 15;
      const s = (word(v >> 3) >> (3 * ((v >> 1) & 3))) & 7;
      const scale = d * (2 * s + 1);
      const delta = high & 8 ? -0.125 : 0.125;
      const vector = from[block + at.low + v] | ((high & 7) << 8);
      for (let i = 0; i < 8; i++) to[x + 8 * v + i] = scale * (iq1.digits[8 * vector + i] - 1 + delta);
    }
  },

  pack({ d, scales, indices, isShiftedDown }, to, block) {
    to.fill(0, block + at.high, block + at.high + 16);
    for (let v = 0; v < 32; v++) {
      to[block + at.low + v] = indices[v];
      to[block + at.high + (v >> 1)] |= ((indices[v] >> 8) | (isShiftedDown[v] << 3)) << (4 * (v & 1));
    }
    const half = floatToHalf(d);
    for (let i = 0; i < 4; i++) {
      let word = ((half >> (4 * i)) & 15) << 12;
      for (let k = 0; k < 4; k++) word |= scales[4 * i + k] << (3 * k);
      to[block + at.scales + 2 * i] = word;
      to[block + at.scales + 2 * i + 1] = word >> 8;
    }
  },
});
