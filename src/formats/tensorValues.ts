/** A stored tensor's values as f32, whatever its format. */
import type { CheckpointTensor } from './checkpoint.ts';

/** The whole tensor, decoded. @throws {FormatError|SourceError} where it cannot be read */
export async function tensorValues(tensor: CheckpointTensor): Promise<Float32Array> {
  const { format, byteLength } = tensor;
  const bytes = new Uint8Array(byteLength);
  await tensor.read(0, bytes);
  const blocks = byteLength / format.blockBytes;
  const values = new Float32Array(blocks * format.blockSize);
  format.decode(bytes, 0, values, 0, blocks);
  return values;
}
