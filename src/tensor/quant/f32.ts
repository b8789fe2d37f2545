/**
 * F32: IEEE 754 binary32, little-endian; a block is one element.
 *
 *      byte 0     byte 1     byte 2     byte 3
 *     [mmmmmmmm] [mmmmmmmm] [emmmmmmm] [seeeeeee]     s sign, e exponent, m mantissa; high bits left
 */
import type { BlockFormat } from '../blockFormat.ts';

export const F32: BlockFormat = {
  name: 'F32',
  ggmlType: 0,
  blockSize: 1,
  blockBytes: 4,

  decode(from, fromOffset, to, toOffset, blocks) {
    const bytes = new DataView(from.buffer, from.byteOffset + fromOffset, blocks * 4);
    for (let i = 0; i < blocks; i++) to[toOffset + i] = bytes.getFloat32(i * 4, true);
  },

  encode(from, fromOffset, to, toOffset, blocks) {
    const bytes = new DataView(to.buffer, to.byteOffset + toOffset, blocks * 4);
    for (let i = 0; i < blocks; i++) bytes.setFloat32(i * 4, from[fromOffset + i], true);
  },
};
