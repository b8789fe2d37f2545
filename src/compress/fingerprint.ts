/** Distinguishes models by their size and the beginning of each tensor: fast, for resuming runs. It is no proof of equality. */
import { sha256 } from '#leaf/formats/download/sha256';
import type { Checkpoint } from '../formats/checkpoint.ts';

/** Bytes that are read of each tensor. */
const SAMPLE_BYTES = 4096;

export async function fingerprintOf({ byteLength, tensors }: Checkpoint): Promise<string> {
  const hash = sha256();
  const add = (value: unknown) => hash.update(new TextEncoder().encode(JSON.stringify(value)));
  add(byteLength);
  for (const tensor of tensors.values()) {
    const { blockBytes, name } = tensor.format;
    const most = Math.max(blockBytes, Math.floor(SAMPLE_BYTES / blockBytes) * blockBytes);
    const bytes = new Uint8Array(Math.min(tensor.byteLength, most));
    await tensor.read(0, bytes);
    add([tensor.name, name, tensor.shape]);
    hash.update(bytes);
  }
  return hash.hex();
}
