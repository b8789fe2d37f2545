/**
 * MXFP4 (Open Compute Project, Microscaling Formats v1.0): 32 elements in 17 bytes (4.25 bits each).
 * x = 2^(e - 127) * v, v a 4-bit float: sign, 2 exponent bits, 1 mantissa bit: ±0, 0.5, 1, 1.5, 2, 3, 4, 6.
 *
 *     byte  0    1                                 17
 *          [ e ][ v16 v0 ][ v17 v1 ] … [ v31 v15 ]
 *           u8    f4  f4                            high nibble, low nibble
 */
import { layout } from './fields.ts';
import { perBlock } from './perBlock.ts';
import { extremeOf } from './search.ts';

const BLOCK_SIZE = 32;
const BLOCK_BYTES = 17;
const at = layout('MXFP4', BLOCK_BYTES, { e: 1, qs: 16 });

/** The value of each 4-bit float; minus zero is plain zero, as in ggml. */
const values = new Float32Array([0, 0.5, 1, 1.5, 2, 3, 4, 6, 0, -0.5, -1, -1.5, -2, -3, -4, -6]);

export const MXFP4 = perBlock({
  name: 'MXFP4',
  ggmlType: 39,
  blockSize: BLOCK_SIZE,
  blockBytes: BLOCK_BYTES,

  decodeBlock(from, block, to, x) {
    const scale = 2 ** (from[block + at.e] - 127);
    for (let i = 0; i < 16; i++) {
      const pair = from[block + at.qs + i];
      to[x + i] = scale * values[pair & 15];
      to[x + 16 + i] = scale * values[pair >> 4];
    }
  },

  /** The greatest magnitude gets the highest exponent v has (it lies in 4..8, above 6 it is cut); the same as ggml's. */
  encodeBlock(from, x, to, block) {
    const greatest = Math.abs(extremeOf(from, x, BLOCK_SIZE));
    const e = greatest === 0 ? 0 : Math.max(0, Math.floor(Math.fround(Math.log2(greatest))) - 2 + 127);
    const inverse = 2 ** (127 - e);
    to[block + at.e] = e;
    for (let i = 0; i < 16; i++) {
      to[block + at.qs + i] = nearest(from[x + i] * inverse) | (nearest(from[x + 16 + i] * inverse) << 4);
    }
  },
});

/** The 4-bit float nearest to `value`; of two as near, the one nearer to zero. */
function nearest(value: number): number {
  const magnitude = Math.abs(value);
  let code = 0;
  while (code < 7 && magnitude > (values[code] + values[code + 1]) / 2) code++;
  return code === 0 || value > 0 ? code : code | 8;
}
