/** Weights in formats without an encoder: blocks of random bytes, with scales that give them the deviation of a plan. */
import { floatToHalf } from '../../src/core/half.ts';
import { type BlockFormat, bytesOf } from '../../src/tensor/blockFormat.ts';
import { randomFor, type TensorPlan } from './weights.ts';

/** Writes a block's scale. @param at the block's first byte */
type WriteScale = (bytes: Uint8Array, at: number, scale: number) => void;

const writeHalf: WriteScale = (bytes, at, scale) => {
  const half = floatToHalf(scale);
  bytes[at] = half & 255;
  bytes[at + 1] = half >> 8;
};

/** Formats whose scale is not a half float at the beginning of a block. */
const scaleWriters: Readonly<Record<string, WriteScale>> = {
  // spread over the high 4 bits of four words
  IQ1_M: (bytes, at, scale) => {
    const half = floatToHalf(scale);
    for (let i = 0; i < 4; i++)
      bytes[at + 49 + 2 * i] = (bytes[at + 49 + 2 * i] & 15) | (((half >> (4 * i)) & 15) << 4);
  },
  // four floats with 4 exponent bits and 3 mantissa bits, rounded down
  NVFP4: (bytes, at, scale) => {
    let exponent = 7;
    let mantissa = Math.abs(scale);
    for (; mantissa < 1 && exponent > 1; exponent--) mantissa *= 2;
    for (; mantissa >= 2 && exponent < 15; exponent++) mantissa /= 2;
    bytes.fill((exponent << 3) | Math.min(7, Math.max(0, Math.floor((mantissa - 1) * 8))), at, at + 4);
  },
};

/** The bytes of a tensor, whose plan has neither a mean nor given values. */
export function randomBlocks(plan: TensorPlan, format: BlockFormat, seed: number): Uint8Array {
  const elements = plan.shape.reduce((product, size) => product * size, 1);
  const random = randomFor(plan.name, seed);
  const writeScale = scaleWriters[format.name] ?? writeHalf;
  const bytes = new Uint8Array(bytesOf(format, elements));
  const values = new Float32Array(format.blockSize);
  for (let at = 0; at < bytes.length; at += format.blockBytes) {
    for (let i = 0; i < format.blockBytes; i++) bytes[at + i] = random.integer(256);
    writeScale(bytes, at, 1);
    format.decode(bytes, at, values, 0, 1);
    const deviation = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
    writeScale(bytes, at, ((random.uniform() < 0.5 ? 1 : -1) * (plan.deviation ?? 0)) / deviation);
  }
  return bytes;
}
