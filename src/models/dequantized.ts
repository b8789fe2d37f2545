/** Dequantizes a checkpoint: all tensors are read as F32, for training. */
import type { Checkpoint, CheckpointTensor } from '../formats/checkpoint.ts';
import { formatByName } from '../tensor/formats.ts';

const F32 = formatByName('F32');

/** @param checkpoint closed by `close` of the result */
export function dequantized(checkpoint: Checkpoint): Checkpoint {
  const tensors = new Map([...checkpoint.tensors].map(([name, tensor]) => [name, decodedTensor(tensor)]));
  const { name, kind, metadata, byteLength } = checkpoint;
  return { name, kind, metadata, tensors, byteLength, close: () => checkpoint.close() };
}

/** A tensor that is read as F32. Only whole rows are read. */
export function decodedTensor(tensor: CheckpointTensor): CheckpointTensor {
  const { name, shape, format, isLocal } = tensor;
  if (format === F32) return tensor;
  return {
    name,
    format: F32,
    shape,
    isLocal,
    byteLength: (tensor.byteLength / format.blockBytes) * format.blockSize * 4,
    // only whole rows are read, and these are whole blocks
    async read(offset, into, signal) {
      const [first, blocks] = [offset, into.length].map((bytes) => bytes / 4 / format.blockSize);
      const stored = new Uint8Array(blocks * format.blockBytes);
      await tensor.read(first * format.blockBytes, stored, signal);
      const values = new Float32Array(blocks * format.blockSize);
      format.decode(stored, 0, values, 0, blocks);
      into.set(new Uint8Array(values.buffer));
    },
  };
}
