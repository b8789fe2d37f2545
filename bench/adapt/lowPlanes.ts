/** Nested bits without quantizing, for timings. */
import { seededRandom } from '../../src/core/random.ts';
import type { Checkpoint, CheckpointTensor } from '../../src/formats/checkpoint.ts';
import { lowPlane } from '../../src/models/nestedBits.ts';
import { I8 } from '../../src/tensor/quant/i8.ts';

/** A file in Q4_0 as one with nested bits, whose low planes are random. */
export function withLowPlanes(file: Checkpoint): Checkpoint {
  const random = seededRandom(5);
  const noise = Uint8Array.from({ length: 65_537 }, () => random.integer(256));
  const tensors = new Map<string, CheckpointTensor>();
  for (const [name, tensor] of file.tensors) {
    tensors.set(name, tensor);
    if (tensor.format.name !== 'Q4_0' || !/^blk\..*\.weight$/.test(name)) continue;
    const shape = [tensor.shape[0]!, tensor.shape[1]! / 2];
    const read = async (offset: number, into: Uint8Array) => {
      for (let at = 0; at < into.length; ) {
        const from = (offset + at) % noise.length;
        const count = Math.min(noise.length - from, into.length - at);
        into.set(noise.subarray(from, from + count), at);
        at += count;
      }
    };
    const low = lowPlane(name);
    tensors.set(low, { name: low, format: I8, shape, byteLength: shape[0]! * shape[1]!, read });
  }
  const { name, kind, metadata, tokenizer, embedding, chatTemplate, byteLength } = file;
  return { name, kind, metadata, tensors, tokenizer, embedding, chatTemplate, byteLength, close: () => file.close() };
}
