/**
 * IQ3_S: 256 elements in 110 bytes (3.4375 bits each), 8 sub-blocks of 32, each eight vectors of 4.
 * x = d * (1 + 2s) * m, s of the sub-block in 0..15, m = ±1, ±3 … ±15: a vector of the codebook, with signs.
 *
 *     byte  0    2                66            74                    106                       110
 *          [ d ][ low: 8 bits of ][ high: 1 bit ][ g: bit i of byte j ][ scales: [ s(2i+1) s(2i) ] ]
 *           f16   each index       of each index   is the sign of        byte i, high bits left
 *                                                  element 8j + i
 *     high, byte i, bit j:  bit 8 of index 8i + j
 */
import { codebookFormat } from './codebookBlock.ts';
import { iq3s } from './codebooks.ts';
import { layout, readHalf, writeHalf } from './fields.ts';
import { writeVector } from './iq2Block.ts';

const BLOCK_BYTES = 110;
const at = layout('IQ3_S', BLOCK_BYTES, { d: 2, low: 64, high: 8, signs: 32, scales: 4 });
const magnitudes = new Uint8Array([1, 3, 5, 7, 9, 11, 13, 15]);

export const IQ3_S = codebookFormat({
  name: 'IQ3_S',
  ggmlType: 21,
  blockBytes: BLOCK_BYTES,
  ranges: { book: iq3s, levels: magnitudes, groupSize: 32, unit: 1, highest: 15, signs: 'free' },

  decodeBlock(from, block, to, x) {
    const d = readHalf(from, block + at.d);
    for (let v = 0; v < 64; v++) {
      const high = (from[block + at.high + (v >> 3)] >> (v & 7)) & 1;
      const s = (from[block + at.scales + (v >> 4)] >> (v & 8 ? 4 : 0)) & 15;
      const signs = from[block + at.signs + (v >> 1)] >> (4 * (v & 1));
      const index = from[block + at.low + v] | (high << 8);
      writeVector(iq3s, index, magnitudes, d * (1 + 2 * s), signs, to, x + 4 * v);
    }
  },

  pack({ d, scales, indices, signs }, to, block) {
    writeHalf(to, block + at.d, d);
    to.fill(0, block + at.high, block + at.high + 8);
    for (let v = 0; v < 64; v++) {
      to[block + at.low + v] = indices[v];
      to[block + at.high + (v >> 3)] |= (indices[v] >> 8) << (v & 7);
    }
    to.set(signs, block + at.signs);
    for (let i = 0; i < 4; i++) to[block + at.scales + i] = scales[2 * i] | (scales[2 * i + 1] << 4);
  },
});
