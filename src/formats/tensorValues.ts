/** Decodes stored tensors of any format to f32. */
import type { CheckpointTensor } from './checkpoint.ts';
import { readTensor } from './readTensor.ts';

/** Reads and decodes a whole tensor. @throws {FormatError|SourceError} if it cannot be read */
export async function tensorValues(tensor: CheckpointTensor, signal?: AbortSignal): Promise<Float32Array> {
  const { format, byteLength } = tensor;
  const bytes = await readTensor(tensor, signal);
  const blocks = byteLength / format.blockBytes;
  const values = new Float32Array(blocks * format.blockSize);
  format.decode(bytes, 0, values, 0, blocks);
  return values;
}
