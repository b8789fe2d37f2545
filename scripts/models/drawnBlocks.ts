/**
 * Fast random weights: a few thousand blocks are encoded once per format and scale, and tensors are filled with
 * random ones of these blocks. Every block could come from real weights; only their order is random.
 */
import { type BlockFormat, bytesOf } from '../../src/tensor/blockFormat.ts';
import { randomBlocks } from './randomBlocks.ts';
import { randomFor, type TensorPlan, valuesOf } from './weights.ts';

const POOL_ELEMENTS = 2 ** 17;
const PART_BYTES = 2 ** 22;

/** @returns a generator of a tensor's bytes in parts of a few MiB */
export function drawnBlocks(seed: number) {
  const pools = new Map<string, Uint8Array>();

  const poolOf = (plan: TensorPlan, format: BlockFormat): Uint8Array => {
    const { mean = 0, deviation = 0 } = plan;
    const name = `pool ${format.name} ${mean} ${deviation}`;
    let pool = pools.get(name);
    if (!pool) {
      pool = madeOf({ name, shape: [POOL_ELEMENTS], mean, deviation, values: plan.values }, format, seed);
      if (!plan.values) pools.set(name, pool);
    }
    return pool;
  };

  return async function* (plan: TensorPlan, format: BlockFormat): AsyncGenerator<Uint8Array> {
    const pool = poolOf(plan, format);
    const elements = plan.shape.reduce((product, size) => product * size, 1);
    const total = bytesOf(format, elements);
    if (plan.values) return yield pool;
    // floats are copied in runs, which is as fast as copying blocks
    const unit = format.blockBytes * Math.max(1, Math.floor(32 / format.blockSize));
    const units = Math.floor(pool.length / unit);
    const random = randomFor(plan.name, seed);
    const part = new Uint8Array(Math.floor(Math.min(PART_BYTES, total) / unit + 1) * unit);
    for (let written = 0; written < total; written += part.length) {
      for (let at = 0; at < part.length; at += unit) {
        const from = random.integer(units) * unit;
        part.set(pool.subarray(from, from + unit), at);
      }
      yield part.subarray(0, Math.min(part.length, total - written));
    }
  };
}

function madeOf(plan: TensorPlan, format: BlockFormat, seed: number): Uint8Array {
  if (format.decodeOnly) return randomBlocks(plan, format, seed);
  const values = valuesOf(plan, seed);
  const blocks = Math.floor(values.length / format.blockSize);
  const bytes = new Uint8Array(blocks * format.blockBytes);
  format.encode(values, 0, bytes, 0, blocks);
  return bytes;
}
