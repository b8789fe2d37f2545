/** Blocks of random bytes with finite scales of similar magnitude. */
import { floatToHalf } from '../../src/core/half.ts';
import type { Random } from '../../src/core/random.ts';
import type { BlockFormat } from '../../src/tensor/blockFormat.ts';

/** Offsets of half floats in a block. Formats without an entry have none, or consist of floats. */
const halves: Readonly<Record<string, readonly number[]>> = {
  Q8_0: [0],
  Q4_0: [0],
  Q4_1: [0, 2],
  Q5_0: [0],
  Q5_1: [0, 2],
  Q2_K: [80, 82],
  Q3_K: [108],
  Q4_K: [0, 2],
  Q5_K: [0, 2],
  Q6_K: [208],
  IQ4_NL: [0],
  IQ4_XS: [0],
  TQ1_0: [52],
  TQ2_0: [64],
  Q1_0: [0],
  Q2_0: [0],
  IQ3_S: [0],
  IQ3_XXS: [0],
  IQ2_S: [0],
  IQ2_XS: [0],
  IQ2_XXS: [0],
  IQ1_S: [0],
};

/** @param fill byte for codes and small scales. Default: random bytes */
export function writeRandomBlock(
  format: BlockFormat,
  to: Uint8Array,
  at: number,
  random: Random,
  fill = () => random.integer(256),
): void {
  if (format.blockSize === 1) {
    format.encode(Float32Array.of(random.normal()), 0, to, at, 1);
    return;
  }
  for (let i = 0; i < format.blockBytes; i++) to[at + i] = fill();
  // powers of two near 1/8
  if (format.name === 'MXFP4') to[at] = 122 + random.integer(5);
  // around 1, and now and then any byte
  if (format.name === 'NVFP4')
    for (let i = 0; i < 4; i++) to[at + i] = random.uniform() < 0.1 ? random.integer(128) : 48 + random.integer(24);
  if (format.name === 'IQ1_M') {
    // the half float is spread over the high nibbles of four words
    const half = floatToHalf(0.01 * (0.5 + random.uniform()));
    for (let i = 0; i < 4; i++) to[at + 49 + 2 * i] = (to[at + 49 + 2 * i] & 15) | (((half >> (4 * i)) & 15) << 4);
  }
  for (const offset of halves[format.name] ?? []) {
    const half = floatToHalf((0.5 + random.uniform()) * (random.uniform() < 0.5 ? -0.01 : 0.01));
    to[at + offset] = half & 255;
    to[at + offset + 1] = half >> 8;
  }
}
