/**
 * TQ2_0: 256 ternary elements in 66 bytes (2.0625 bits each). x = d * (q - 1), q in 0..2 (3 is not written).
 *
 *     byte  0                        64   66
 *          [ qs: 2 bits of each q ][ d ]
 *                                   f16
 *     qs, bytes 0..31, byte i:  [ q(96+i) q(64+i) q(32+i) q(i) ]   high bits left; bytes 32..63 the same for q(128+…)
 */
import { layout, readHalf, writeHalf } from './fields.ts';
import { plainFormat } from './plainBlock.ts';
import { quantizeTernary } from './ternary.ts';
import { writeTwoBits } from './twoBits.ts';

const BLOCK_BYTES = 66;
const at = layout('TQ2_0', BLOCK_BYTES, { qs: 64, d: 2 });

export const TQ2_0 = plainFormat({
  name: 'TQ2_0',
  ggmlType: 35,
  blockBytes: BLOCK_BYTES,
  ranges: { size: 256, lowest: -1, highest: 1 },
  halves: [at.d],

  decodeBlock(from, block, to, x) {
    const d = readHalf(from, block + at.d);
    for (let i = 0; i < 256; i++) {
      const packed = from[block + at.qs + (i >> 7) * 32 + (i & 31)];
      to[x + i] = d * (((packed >> (2 * ((i >> 5) & 3))) & 3) - 1);
    }
  },

  quantize(block, x, from, importance) {
    block.d = quantizeTernary(x, from, importance, block.quants);
  },

  pack(block, to, first) {
    writeHalf(to, first + at.d, block.d);
    writeTwoBits(to, first + at.qs, block.quants);
  },
});
