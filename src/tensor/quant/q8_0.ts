import type { BlockFormat } from '../blockFormat.ts';
import { layout, readHalf, writeHalf } from './fields.ts';
import { roundAwayFromZero } from './round.ts';

/**
 * Q8_0: 32 elements in 34 bytes (8.5 bits each). x = d * q, q in -128..127.
 *
 *     byte  0    2                                34
 *          [ d ][ q0 ][ q1 ][ q2 ] … [ q30 ][ q31 ]
 *           f16   i8
 */
const at = layout('Q8_0', 34, { d: 2, qs: 32 });

export const Q8_0: BlockFormat = {
  name: 'Q8_0',
  ggmlType: 8,
  blockSize: 32,
  blockBytes: 34,

  decode(from, fromOffset, to, toOffset, blocks) {
    for (let b = 0; b < blocks; b++) {
      const block = fromOffset + b * 34;
      const x = toOffset + b * 32;
      const d = readHalf(from, block + at.d);
      for (let i = 0; i < 32; i++) to[x + i] = d * ((from[block + at.qs + i] << 24) >> 24);
    }
  },

  /** The greatest magnitude becomes 127; the same bytes as ggml's reference. */
  encode(from, fromOffset, to, toOffset, blocks) {
    for (let b = 0; b < blocks; b++) {
      const block = toOffset + b * 34;
      const x = fromOffset + b * 32;
      let greatest = 0;
      for (let i = 0; i < 32; i++) greatest = Math.max(greatest, Math.abs(from[x + i]));
      const d = Math.fround(greatest / 127);
      const inverse = d === 0 ? 0 : Math.fround(1 / d);
      writeHalf(to, block + at.d, d);
      for (let i = 0; i < 32; i++) to[block + at.qs + i] = roundAwayFromZero(Math.fround(from[x + i] * inverse));
    }
  },
};
