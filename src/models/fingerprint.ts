/** Distinguishes models by their size and the beginning of each tensor: fast, for resuming runs and for promises about a model. It is no proof of equality. */
import { sha256 } from '#leaf/formats/download/sha256';
import type { Checkpoint, CheckpointTensor } from '../formats/checkpoint.ts';

/** Bytes that are read of each tensor. */
const SAMPLE_BYTES = 4096;

export async function fingerprintOf({ byteLength, tensors }: Checkpoint): Promise<string> {
  return digest(byteLength, tensors.values(), async (tensor) => {
    const bytes = new Uint8Array(sampleBytes(tensor));
    await tensor.read(0, bytes);
    return bytes;
  });
}

/** A checkpoint whose fingerprint is taken while it is read, so that a download stays one sequential read. */
export interface FingerprintedCheckpoint extends Checkpoint {
  /** Fingerprint of the tensors alone, whatever the metadata. Reads what nobody has read before. */
  fingerprint(signal?: AbortSignal): Promise<string>;
}

/** @param checkpoint closed by `close` of the result */
export function fingerprinted(checkpoint: Checkpoint): FingerprintedCheckpoint {
  const samples = new Map<string, Uint8Array>();
  const tensors = new Map<string, CheckpointTensor>();
  for (const [key, tensor] of checkpoint.tensors) {
    const read: CheckpointTensor['read'] = async (offset, into, signal) => {
      await tensor.read(offset, into, signal);
      const most = sampleBytes(tensor);
      if (offset === 0 && into.length >= most) samples.set(tensor.name, into.slice(0, most));
    };
    const { name, format, shape, byteLength, isLocal } = tensor;
    tensors.set(key, { name, format, shape, byteLength, isLocal, read });
  }
  const { name, kind, metadata, tokenizer, embedding, chatTemplate, byteLength } = checkpoint;
  return {
    ...{ name, kind, metadata, tensors, tokenizer, embedding, chatTemplate, byteLength },
    finish: async (signal) => checkpoint.finish?.(signal),
    close: () => checkpoint.close(),
    fingerprint: (signal) =>
      digest(0, checkpoint.tensors.values(), async (tensor) => {
        const known = samples.get(tensor.name);
        if (known) return known;
        const bytes = new Uint8Array(sampleBytes(tensor));
        await tensor.read(0, bytes, signal);
        return bytes;
      }),
  };
}

function sampleBytes({ format: { blockBytes }, byteLength }: CheckpointTensor): number {
  return Math.min(byteLength, Math.max(blockBytes, Math.floor(SAMPLE_BYTES / blockBytes) * blockBytes));
}

async function digest(
  byteLength: number,
  tensors: Iterable<CheckpointTensor>,
  sample: (tensor: CheckpointTensor) => Promise<Uint8Array>,
): Promise<string> {
  const hash = sha256();
  const add = (value: unknown) => hash.update(new TextEncoder().encode(JSON.stringify(value)));
  add(byteLength);
  for (const tensor of tensors) {
    const bytes = await sample(tensor);
    add([tensor.name, tensor.format.name, tensor.shape]);
    hash.update(bytes);
  }
  return hash.hex();
}
