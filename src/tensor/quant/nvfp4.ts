/**
 * NVFP4: 64 elements in 36 bytes (4.5 bits each), 4 sub-blocks of 16. x = d * v, d of the sub-block an unsigned 8-bit float
 * with 4 exponent bits and 3 mantissa bits, v a 4-bit float: ±0, 0.5, 1, 1.5, 2, 3, 4, 6. Files have one more factor for a
 * whole tensor, in a tensor of its own (`….scale`), which models multiply with.
 *
 *     byte  0                 4                                             36
 *          [ d0 d1 d2 d3: u8 ][ 4 sub-blocks: [ v8 v0 ][ v9 v1 ] … [ v15 v7 ] ]
 *                                              f4 f4                            high nibble, low nibble
 */
import { layout } from './fields.ts';
import { decodeOnly } from './perBlock.ts';

const BLOCK_SIZE = 64;
const BLOCK_BYTES = 36;
const at = layout('NVFP4', BLOCK_BYTES, { d: 4, qs: 32 });

/** Twice the value of each 4-bit float; minus zero is plain zero, as in ggml. */
const doubled = new Int8Array([0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12]);

/** Half the value of each 8-bit float. The highest bit means nothing; 0x7f, not a number, counts as 0. */
const halved = Float32Array.from({ length: 256 }, (_, bits) => {
  const exponent = (bits >> 3) & 15;
  const mantissa = bits & 7;
  if (bits === 0x7f) return 0;
  return 0.5 * (exponent === 0 ? mantissa * 2 ** -9 : (1 + mantissa / 8) * 2 ** (exponent - 7));
});

export const NVFP4 = decodeOnly({
  name: 'NVFP4',
  ggmlType: 40,
  blockSize: BLOCK_SIZE,
  blockBytes: BLOCK_BYTES,

  decodeBlock(from, block, to, x) {
    for (let s = 0; s < 4; s++) {
      const d = halved[from[block + at.d + s]];
      for (let i = 0; i < 8; i++) {
        const pair = from[block + at.qs + 8 * s + i];
        to[x + 16 * s + i] = doubled[pair & 15] * d;
        to[x + 16 * s + 8 + i] = doubled[pair >> 4] * d;
      }
    }
  },
});
