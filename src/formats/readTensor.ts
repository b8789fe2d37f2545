/** Reads stored tensors whole, as they are. */
import type { CheckpointTensor } from './checkpoint.ts';

/** @throws {FormatError|SourceError} if it cannot be read */
export async function readTensor(tensor: CheckpointTensor, signal?: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(tensor.byteLength);
  await tensor.read(0, bytes, signal);
  return bytes;
}
