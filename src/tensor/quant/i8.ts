/**
 * I8: signed bytes; a block is one element. GGUF files store data in it that is no matrix of a product, such as the low planes of
 * nested bits (models/nestedBits.ts), so there are no kernels for it.
 */
import type { BlockFormat } from '../blockFormat.ts';

export const I8: BlockFormat = {
  name: 'I8',
  ggmlType: 24,
  blockSize: 1,
  blockBytes: 1,

  decode(from, fromOffset, to, toOffset, blocks) {
    for (let i = 0; i < blocks; i++) to[toOffset + i] = (from[fromOffset + i] << 24) >> 24;
  },

  encode(from, fromOffset, to, toOffset, blocks) {
    for (let i = 0; i < blocks; i++) to[toOffset + i] = Math.max(-128, Math.min(127, Math.round(from[fromOffset + i])));
  },
};
