/**
 * IQ3_XXS: 256 elements in 98 bytes (3.0625 bits each), 8 sub-blocks of 32, each eight vectors of 4.
 * x = d * (0.5 + s) / 2 * m, s of the sub-block in 0..15, m = ±4 … ±62: a vector of the codebook, with signs.
 *
 *     byte  0    2                66                98
 *          [ d ][ 64 indices: u8 ][ 8 × ss: u32     ]
 *           f16
 *     ss:  [ s: 4 ][ g3: 7 ][ g2: 7 ][ g1: 7 ][ g0: 7 ]     g: 7 of the 8 signs of two vectors, the number of minus signs is even
 */
import { codebookFormat } from './codebookBlock.ts';
import { iq3xxs } from './codebooks.ts';
import { layout, readHalf, readU32, writeHalf, writeU32 } from './fields.ts';
import { evenSigns, writeVector } from './iq2Block.ts';

const BLOCK_BYTES = 98;
const at = layout('IQ3_XXS', BLOCK_BYTES, { d: 2, indices: 64, signs: 32 });
const magnitudes = new Uint8Array([4, 12, 20, 28, 36, 44, 52, 62]);

export const IQ3_XXS = codebookFormat({
  name: 'IQ3_XXS',
  ggmlType: 18,
  blockBytes: BLOCK_BYTES,
  ranges: { book: iq3xxs, levels: magnitudes, groupSize: 32, unit: 0.25, highest: 15, signs: 'even' },

  decodeBlock(from, block, to, x) {
    const d = readHalf(from, block + at.d);
    for (let j = 0; j < 8; j++) {
      const packed = readU32(from, block + at.signs + 4 * j);
      const scale = d * (0.5 + (packed >>> 28)) * 0.5;
      for (let v = 0; v < 8; v++) {
        const signs = evenSigns((packed >>> (7 * (v >> 1))) & 127) >> (4 * (v & 1));
        const index = from[block + at.indices + 8 * j + v];
        writeVector(iq3xxs, index, magnitudes, scale, signs, to, x + 32 * j + 4 * v);
      }
    }
  },

  pack({ d, scales, indices, signs }, to, block) {
    writeHalf(to, block + at.d, d);
    for (let v = 0; v < 64; v++) to[block + at.indices + v] = indices[v];
    for (let j = 0; j < 8; j++) {
      let packed = scales[j] << 28;
      for (let pair = 0; pair < 4; pair++) packed |= (signs[4 * j + pair] & 127) << (7 * pair);
      writeU32(to, block + at.signs + 4 * j, packed);
    }
  },
});
