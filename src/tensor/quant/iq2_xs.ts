/**
 * IQ2_XS: 256 elements in 74 bytes (2.3125 bits each), 16 sub-blocks of 16, each two vectors of 8.
 * x = d * (0.5 + s) / 4 * m, s of the sub-block in 0..15, m = ±8, ±25 or ±43: a vector of the codebook, with signs.
 *
 *     byte  0    2                66                        74
 *          [ d ][ 32 vectors v  ][ scales: [ s(2i+1) s(2i) ] ]
 *           f16  u16                byte i, high bits left
 *     v:  [ g: 7 ][ index: 9 ]     g: 7 of the vector's 8 signs, the number of minus signs is even
 */
import { codebookFormat } from './codebookBlock.ts';
import { iq2xs } from './codebooks.ts';
import { layout, readHalf, writeHalf } from './fields.ts';
import { evenSigns, iq2Magnitudes, writeVector } from './iq2Block.ts';

const BLOCK_BYTES = 74;
const at = layout('IQ2_XS', BLOCK_BYTES, { d: 2, vectors: 64, scales: 8 });

export const IQ2_XS = codebookFormat({
  name: 'IQ2_XS',
  ggmlType: 17,
  blockBytes: BLOCK_BYTES,
  ranges: { book: iq2xs, levels: iq2Magnitudes, groupSize: 16, unit: 0.125, highest: 15, signs: 'even' },

  decodeBlock(from, block, to, x) {
    const d = readHalf(from, block + at.d);
    for (let v = 0; v < 32; v++) {
      const low = from[block + at.vectors + 2 * v];
      const high = from[block + at.vectors + 2 * v + 1];
      const s = (from[block + at.scales + (v >> 2)] >> (v & 2 ? 4 : 0)) & 15;
      const scale = d * (0.5 + s) * 0.25;
      writeVector(iq2xs, low | ((high & 1) << 8), iq2Magnitudes, scale, evenSigns(high >> 1), to, x + 8 * v);
    }
  },

  pack({ d, scales, indices, signs }, to, block) {
    writeHalf(to, block + at.d, d);
    for (let v = 0; v < 32; v++) {
      to[block + at.vectors + 2 * v] = indices[v];
      to[block + at.vectors + 2 * v + 1] = (indices[v] >> 8) | ((signs[v] & 127) << 1);
    }
    for (let i = 0; i < 8; i++) to[block + at.scales + i] = scales[2 * i] | (scales[2 * i + 1] << 4);
  },
});
