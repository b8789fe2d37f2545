import type { BlockFormat } from '../blockFormat.ts';
import { layout, readHalf, writeHalf } from './fields.ts';

/**
 * Q4_0: 32 elements in 18 bytes (4.5 bits each). x = d * (q - 8), q in 0..15.
 *
 *     byte  0    2           3                 18
 *          [ d ][ q16 : q0 ][ q17 : q1 ] … [ q31 : q15 ]
 *           f16   u4    u4                   high nibble : low nibble
 */
const at = layout('Q4_0', 18, { d: 2, qs: 16 });

export const Q4_0: BlockFormat = {
  name: 'Q4_0',
  ggmlType: 2,
  blockSize: 32,
  blockBytes: 18,

  decode(from, fromOffset, to, toOffset, blocks) {
    for (let b = 0; b < blocks; b++) {
      const block = fromOffset + b * 18;
      const x = toOffset + b * 32;
      const d = readHalf(from, block + at.d);
      for (let i = 0; i < 16; i++) {
        const pair = from[block + at.qs + i];
        to[x + i] = d * ((pair & 15) - 8);
        to[x + 16 + i] = d * ((pair >> 4) - 8);
      }
    }
  },

  /** The element of greatest magnitude becomes -8, whatever its sign; the same bytes as ggml's reference. */
  encode(from, fromOffset, to, toOffset, blocks) {
    for (let b = 0; b < blocks; b++) {
      const block = toOffset + b * 18;
      const x = fromOffset + b * 32;
      let greatest = 0;
      for (let i = 0; i < 32; i++) {
        if (Math.abs(from[x + i]) > Math.abs(greatest)) greatest = from[x + i];
      }
      const d = Math.fround(greatest / -8);
      const inverse = d === 0 ? 0 : Math.fround(1 / d);
      writeHalf(to, block + at.d, d);
      for (let i = 0; i < 16; i++) {
        to[block + at.qs + i] = quantized(from[x + i], inverse) | (quantized(from[x + 16 + i], inverse) << 4);
      }
    }
  },
};

function quantized(value: number, inverse: number): number {
  return Math.min(15, Math.fround(Math.fround(value * inverse) + 8.5) | 0);
}
