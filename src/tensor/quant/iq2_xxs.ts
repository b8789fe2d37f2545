/**
 * IQ2_XXS: 256 elements in 66 bytes (2.0625 bits each), 8 sub-blocks of 32, each four vectors of 8.
 * x = d * (0.5 + s) / 4 * m, s of the sub-block in 0..15, m = ±8, ±25 or ±43: a vector of the codebook, with signs.
 *
 *     byte  0    2                                    66
 *          [ d ][ 8 sub-blocks: [ k0 k1 k2 k3 ][ ss ] ]
 *           f16                  u8, indices    u32
 *     ss:  [ s: 4 ][ g3: 7 ][ g2: 7 ][ g1: 7 ][ g0: 7 ]     g: 7 of a vector's 8 signs, the number of minus signs is even
 */
import { codebookFormat } from './codebookBlock.ts';
import { iq2xxs } from './codebooks.ts';
import { layout, readHalf, readU32, writeHalf, writeU32 } from './fields.ts';
import { evenSigns, iq2Magnitudes, writeVector } from './iq2Block.ts';

const BLOCK_BYTES = 66;
const at = layout('IQ2_XXS', BLOCK_BYTES, { d: 2, subBlocks: 64 });

export const IQ2_XXS = codebookFormat({
  name: 'IQ2_XXS',
  ggmlType: 16,
  blockBytes: BLOCK_BYTES,
  ranges: { book: iq2xxs, levels: iq2Magnitudes, groupSize: 32, unit: 0.125, highest: 15, signs: 'even' },

  decodeBlock(from, block, to, x) {
    const d = readHalf(from, block + at.d);
    for (let j = 0; j < 8; j++) {
      const subBlock = block + at.subBlocks + 8 * j;
      const signs = readU32(from, subBlock + 4);
      const scale = d * (0.5 + (signs >>> 28)) * 0.25;
      for (let v = 0; v < 4; v++) {
        const seven = (signs >>> (7 * v)) & 127;
        writeVector(iq2xxs, from[subBlock + v], iq2Magnitudes, scale, evenSigns(seven), to, x + 32 * j + 8 * v);
      }
    }
  },

  pack({ d, scales, indices, signs }, to, block) {
    writeHalf(to, block + at.d, d);
    for (let j = 0; j < 8; j++) {
      const subBlock = block + at.subBlocks + 8 * j;
      let packed = scales[j] << 28;
      for (let v = 0; v < 4; v++) {
        to[subBlock + v] = indices[4 * j + v];
        packed |= (signs[4 * j + v] & 127) << (7 * v);
      }
      writeU32(to, subBlock + 4, packed);
    }
  },
});
