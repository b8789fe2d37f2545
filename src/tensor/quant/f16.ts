/**
 * F16: IEEE 754 binary16, little-endian; a block is one element. Encoding rounds to nearest even; beyond 65504
 * becomes infinity.
 *
 *      byte 0     byte 1
 *     [mmmmmmmm] [seeeeemm]     s sign, e exponent, m mantissa; high bits left
 */
import type { BlockFormat } from '../blockFormat.ts';
import { readHalf, writeHalf } from './fields.ts';

export const F16: BlockFormat = {
  name: 'F16',
  ggmlType: 1,
  blockSize: 1,
  blockBytes: 2,

  decode(from, fromOffset, to, toOffset, blocks) {
    for (let i = 0; i < blocks; i++) to[toOffset + i] = readHalf(from, fromOffset + i * 2);
  },

  encode(from, fromOffset, to, toOffset, blocks) {
    for (let i = 0; i < blocks; i++) writeHalf(to, toOffset + i * 2, from[fromOffset + i]);
  },
};
