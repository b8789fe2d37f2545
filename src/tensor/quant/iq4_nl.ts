/**
 * IQ4_NL: 32 elements in 18 bytes (4.5 bits each). x = d * levels[q], q in 0..15 (the uneven levels: nonLinear.ts).
 *
 *     byte  0    2                                 18
 *          [ d ][ q16 q0 ][ q17 q1 ] … [ q31 q15 ]
 *           f16   u4  u4                            high nibble, low nibble
 */
import { layout, readHalf, writeHalf } from './fields.ts';
import { fitLevels, levels, nearestLevel } from './nonLinear.ts';
import { plainFormat } from './plainBlock.ts';
import { weighByMagnitude } from './search.ts';

const BLOCK_SIZE = 32;
const BLOCK_BYTES = 18;
const at = layout('IQ4_NL', BLOCK_BYTES, { d: 2, qs: 16 });
const ownWeights = new Float32Array(BLOCK_SIZE);

export const IQ4_NL = plainFormat({
  name: 'IQ4_NL',
  ggmlType: 20,
  blockBytes: BLOCK_BYTES,
  ranges: { lowest: 0, highest: 15, uneven: true },
  halves: [at.d],

  decodeBlock(from, block, to, x) {
    const d = readHalf(from, block + at.d);
    for (let i = 0; i < 16; i++) {
      const pair = from[block + at.qs + i];
      to[x + i] = d * levels[pair & 15];
      to[x + 16 + i] = d * levels[pair >> 4];
    }
  },

  quantize(block, x, from, importance) {
    if (!importance) weighByMagnitude(x, from, BLOCK_SIZE, ownWeights);
    const d = importance
      ? fitLevels(x, from, BLOCK_SIZE, importance, from)
      : fitLevels(x, from, BLOCK_SIZE, ownWeights, 0);
    const inverse = d === 0 ? 0 : 1 / d;
    block.d = d;
    for (let i = 0; i < 32; i++) block.quants[i] = nearestLevel(x[from + i] * inverse);
  },

  pack(block, to, first) {
    writeHalf(to, first + at.d, block.d);
    for (let i = 0; i < 16; i++) to[first + at.qs + i] = block.quants[i] | (block.quants[16 + i] << 4);
  },
});
