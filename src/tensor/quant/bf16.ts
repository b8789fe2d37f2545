/**
 * BF16: the upper half of a binary32, little-endian; a block is one element. Encoding rounds to nearest even.
 *
 *      byte 0     byte 1
 *     [emmmmmmm] [seeeeeee]     s sign, e exponent, m mantissa; high bits left
 */
import { bfloat16ToFloat, floatToBfloat16 } from '../../core/half.ts';
import type { BlockFormat } from '../blockFormat.ts';

export const BF16: BlockFormat = {
  name: 'BF16',
  ggmlType: 30,
  blockSize: 1,
  blockBytes: 2,

  decode(from, fromOffset, to, toOffset, blocks) {
    for (let i = 0; i < blocks; i++) {
      const at = fromOffset + i * 2;
      to[toOffset + i] = bfloat16ToFloat(from[at] | (from[at + 1] << 8));
    }
  },

  encode(from, fromOffset, to, toOffset, blocks) {
    for (let i = 0; i < blocks; i++) {
      const at = toOffset + i * 2;
      const value = floatToBfloat16(from[fromOffset + i]);
      to[at] = value;
      to[at + 1] = value >> 8;
    }
  },
};
