/**
 * TQ1_0: 256 ternary elements in 54 bytes (1.6875 bits each). x = d * (q - 1), q in 0..2, five to a byte.
 *
 *     byte  0                                   32                  48                  52   54
 *          [ A: q(i), q(32+i), … q(128+i)     ][ B: q(160+i), …    ][ C: q(240+i), …   ][ d ]
 *            byte i of 32: 5 elements 32 apart   of 16, 16 apart     of 4, 4 and 4 apart f16
 *
 * A byte is a fraction: with n = 81a + 27b + 9c + 3d + e of its elements a … e (C has no e, 0 instead), it is n/243 in
 * units of 1/256, rounded up. Times 3, the carry beyond 256 is the next element, so no division is needed to read it.
 */
import { layout, readHalf, writeHalf } from './fields.ts';
import { plainFormat } from './plainBlock.ts';
import { quantizeTernary } from './ternary.ts';

const BLOCK_BYTES = 54;
const at = layout('TQ1_0', BLOCK_BYTES, { qs: 48, qh: 4, d: 2 });

/** The three fields: first byte, bytes, elements in each, first element. */
const fields = [
  { first: at.qs, bytes: 32, perByte: 5, element: 0 },
  { first: at.qs + 32, bytes: 16, perByte: 5, element: 160 },
  { first: at.qh, bytes: 4, perByte: 4, element: 240 },
];

export const TQ1_0 = plainFormat({
  name: 'TQ1_0',
  ggmlType: 34,
  blockBytes: BLOCK_BYTES,
  ranges: { size: 256, lowest: -1, highest: 1 },
  halves: [at.d],

  decodeBlock(from, block, to, x) {
    const d = readHalf(from, block + at.d);
    for (const { first, bytes, perByte, element } of fields) {
      for (let i = 0; i < bytes; i++) {
        let fraction = from[block + first + i];
        for (let k = 0; k < perByte; k++) {
          fraction *= 3;
          to[x + element + k * bytes + i] = d * ((fraction >> 8) - 1);
          fraction &= 255;
        }
      }
    }
  },

  quantize(block, x, from, importance) {
    block.d = quantizeTernary(x, from, importance, block.quants);
  },

  pack(block, to, first) {
    writeHalf(to, first + at.d, block.d);
    for (const { first: field, bytes, perByte, element } of fields) {
      for (let i = 0; i < bytes; i++) {
        let n = 0;
        for (let k = 0; k < 5; k++) n = n * 3 + (k < perByte ? block.quants[element + k * bytes + i] : 0);
        to[first + field + i] = Math.ceil((n * 256) / 243);
      }
    }
  },
});
