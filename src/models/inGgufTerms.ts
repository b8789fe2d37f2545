/** Presents a Hugging Face folder with GGUF names and metadata, as a conversion to a GGUF file would. */
import { UnsupportedError } from '../core/errors.ts';
import type { Checkpoint, CheckpointTensor } from '../formats/checkpoint.ts';
import { tokenizerToGguf } from '../formats/tokenizerToGguf.ts';
import { isWeight, type Value, type WeightAttributes } from '../graph/graph.ts';
import type { WeightStore } from '../graph/program.ts';
import { bytesOf } from '../tensor/blockFormat.ts';
import type { Architecture } from './architecture.ts';
import { architectureOf, buildModel } from './buildModel.ts';
import { weightStore } from './weightStore.ts';

/**
 * @param checkpoint closed by `close` of the result. A GGUF checkpoint is returned unchanged
 * @throws {UnsupportedError} if GGUF does not have the architecture, tokenizer or scaling @throws the errors of `buildModel`
 */
export function inGgufTerms(checkpoint: Checkpoint): Checkpoint {
  if (checkpoint.kind === 'gguf') return checkpoint;
  const architecture = architectureOf(checkpoint);
  const { name, huggingFace } = architecture;
  const own = huggingFace!.metadata(Object.fromEntries(checkpoint.metadata));
  // llama.cpp does not support these: GPT-Neo has no GGUF form, and Llama 3's scaling is stored as a tensor of divisors
  if (name === 'gpt_neo') throw new UnsupportedError(`${checkpoint.name}: writing architecture`, name);
  if (own.get(`${name}.rope.scaling.type`) === 'llama3')
    throw new UnsupportedError(`${checkpoint.name}: writing rope scaling`, 'llama3');
  const model = buildModel(checkpoint);
  const store = weightStore(model);
  const tensors = new Map<string, CheckpointTensor>();
  for (const node of model.graph.live())
    if (isWeight(node)) tensors.set(node.attributes.tensor, tensorOf(node, store, architecture, model.metadata));
  const text = checkpoint.tokenizer ? tokenizerToGguf(checkpoint.tokenizer, checkpoint.chatTemplate) : [];
  const { tokenizer, chatTemplate, byteLength } = checkpoint;
  return {
    name: checkpoint.name,
    kind: 'gguf',
    metadata: new Map<string, unknown>([['general.architecture', name], ...own, ...text]),
    tensors,
    tokenizer,
    chatTemplate,
    byteLength,
    finish: (signal) => checkpoint.finish?.(signal) ?? Promise.resolve(),
    close: () => checkpoint.close(),
  };
}

function tensorOf(
  weight: Value<WeightAttributes>,
  store: WeightStore,
  { huggingFace }: Architecture,
  metadata: { count(key: string, otherwise?: number): number },
): CheckpointTensor {
  const { tensor: name, format } = weight.attributes;
  const [rows, columns] = weight.shape as readonly [number, number];
  const interleaved = huggingFace?.isInterleavedInGguf?.(name) ?? false;
  const heads = metadata.count('attention.head_count');
  const keyHeads = metadata.count('attention.head_count_kv', heads);
  const headSize = rows / (/attn_k\./.test(name) ? keyHeads : heads);
  const rowBytes = bytesOf(format, columns);
  return {
    name,
    format,
    shape: rows === 1 ? [columns] : [rows, columns],
    byteLength: rows * rowBytes,
    async read(offset, into, signal) {
      if (!interleaved) return store.readRows(weight, offset / rowBytes, into, signal);
      for (let done = 0; done < into.length; done += rowBytes) {
        const row = inHalves((offset + done) / rowBytes, headSize);
        await store.readRows(weight, row, into.subarray(done, done + rowBytes), signal);
      }
    },
  };
}

/** Maps a row of a head from the 'interleaved' layout (pairs side by side) to the 'half' layout. */
function inHalves(row: number, headSize: number): number {
  const within = row % headSize;
  return row - within + (within % 2) * (headSize / 2) + Math.floor(within / 2);
}
