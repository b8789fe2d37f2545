/**
 * IQ2_S: 256 elements in 82 bytes (2.5625 bits each), 16 sub-blocks of 16, each two vectors of 8.
 * x = d * (0.5 + s) / 4 * m, s of the sub-block in 0..15, m = ±8, ±25 or ±43: a vector of the codebook, with signs.
 *
 *     byte  0    2                  34                   66              74                        82
 *          [ d ][ low: 8 bits of   ][ g: signs of each  ][ high: 2 bits ][ scales: [ s(2i+1) s(2i) ] ]
 *           f16   each index         vector, bit i of      of each index   byte i, high bits left
 *                                    element i
 *     high, byte i:  [ k(4i+3) k(4i+2) k(4i+1) k(4i) ]   bits 8 and 9 of each index
 */
import { codebookFormat } from './codebookBlock.ts';
import { iq2s } from './codebooks.ts';
import { layout, readHalf, writeHalf } from './fields.ts';
import { iq2Magnitudes, writeVector } from './iq2Block.ts';

const BLOCK_BYTES = 82;
const at = layout('IQ2_S', BLOCK_BYTES, { d: 2, low: 32, signs: 32, high: 8, scales: 8 });

export const IQ2_S = codebookFormat({
  name: 'IQ2_S',
  ggmlType: 22,
  blockBytes: BLOCK_BYTES,
  ranges: { book: iq2s, levels: iq2Magnitudes, groupSize: 16, unit: 0.125, highest: 15, signs: 'free' },

  decodeBlock(from, block, to, x) {
    const d = readHalf(from, block + at.d);
    for (let v = 0; v < 32; v++) {
      const high = (from[block + at.high + (v >> 2)] >> (2 * (v & 3))) & 3;
      const index = from[block + at.low + v] | (high << 8);
      const s = (from[block + at.scales + (v >> 2)] >> (v & 2 ? 4 : 0)) & 15;
      writeVector(iq2s, index, iq2Magnitudes, d * (0.5 + s) * 0.25, from[block + at.signs + v], to, x + 8 * v);
    }
  },

  pack({ d, scales, indices, signs }, to, block) {
    writeHalf(to, block + at.d, d);
    to.fill(0, block + at.high, block + at.high + 8);
    for (let v = 0; v < 32; v++) {
      to[block + at.low + v] = indices[v];
      to[block + at.signs + v] = signs[v];
      to[block + at.high + (v >> 2)] |= (indices[v] >> 8) << (2 * (v & 3));
    }
    for (let i = 0; i < 8; i++) to[block + at.scales + i] = scales[2 * i] | (scales[2 * i + 1] << 4);
  },
});
