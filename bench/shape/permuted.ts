/**
 * Writes a model in F32 with permuted channels: the residual stream, the neurons of the feed-forward part, and the values
 * within heads. It computes the same function, but no block of a quantized source lies on a grid any more, so it is an honest
 * source for quantizers. For architectures with separate gate, up and down matrices.
 *
 *     tsx bench/shape/permuted.ts model.gguf output.gguf [seed]
 */

import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { seededRandom } from '../../src/core/random.ts';
import type { Checkpoint, CheckpointTensor } from '../../src/formats/checkpoint.ts';
import { type GgufValue, writeGguf } from '../../src/formats/gguf/write.ts';
import { openCheckpoint } from '../../src/formats/open.ts';
import { tensorValues } from '../../src/formats/tensorValues.ts';
import { formatByName } from '../../src/tensor/formats.ts';

const F32 = formatByName('F32');

/** A random order of `count` things. */
function order(count: number, seed: number): Int32Array {
  const random = seededRandom(seed);
  const result = Int32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = random.integer(i + 1);
    [result[i], result[j]] = [result[j], result[i]];
  }
  return result;
}

/** Orders of a model's channels. */
function channels(metadata: Checkpoint['metadata'], seed: number) {
  const architecture = String(metadata.get('general.architecture'));
  const number = (key: string, otherwise?: number) => Number(metadata.get(`${architecture}.${key}`) ?? otherwise);
  const width = number('embedding_length');
  const heads = number('attention.head_count');
  const keyHeads = number('attention.head_count_kv', heads);
  const valueSize = number('attention.value_length', width / heads);
  const residual = order(width, seed);
  const ffn = new Map<number, Int32Array>();
  const values = new Map<number, Int32Array>();
  const neurons = number('feed_forward_length');
  for (let layer = 0; layer < number('block_count'); layer++) {
    ffn.set(layer, order(neurons, seed + 1000 + layer));
    values.set(layer, order(valueSize, seed + 2000 + layer));
  }
  const ofHeads = (count: number, within: Int32Array) =>
    Int32Array.from({ length: count * valueSize }, (_, i) => {
      const head = Math.floor(i / valueSize);
      return head * valueSize + within[i % valueSize];
    });
  return {
    residual,
    ffn: (layer: number) => ffn.get(layer)!,
    values: (layer: number) => ofHeads(keyHeads, values.get(layer)!),
    outputs: (layer: number) => ofHeads(heads, values.get(layer)!),
  };
}

/** Orders of a tensor's rows and columns; undefined: unchanged. A vector has columns only. */
function ordersOf(name: string, { residual, ffn, values, outputs }: ReturnType<typeof channels>) {
  const [, block, part = name] = /^blk\.(\d+)\.(.*)$/.exec(name) ?? [];
  const layer = Number(block ?? 0);
  switch (part) {
    case 'token_embd.weight':
    case 'output.weight':
    case 'attn_q.weight':
    case 'attn_k.weight':
      return { columns: residual };
    case 'attn_v.weight':
      return { rows: values(layer), columns: residual };
    case 'attn_v.bias':
      return { columns: values(layer) };
    case 'attn_output.weight':
      return { rows: residual, columns: outputs(layer) };
    case 'ffn_gate.weight':
    case 'ffn_up.weight':
      return { rows: ffn(layer), columns: residual };
    case 'ffn_gate.bias':
    case 'ffn_up.bias':
      return { columns: ffn(layer) };
    case 'ffn_down.weight':
      return { rows: residual, columns: ffn(layer) };
    case 'attn_q.bias':
    case 'attn_k.bias':
    case 'attn_q_norm.weight':
    case 'attn_k_norm.weight':
    case 'rope_freqs.weight':
      return {};
    default:
      if (/norm\.(weight|bias)$|(attn_output|ffn_down)\.bias$/.test(part)) return { columns: residual };
      throw new Error(`${name}: no rule for this tensor`);
  }
}

async function permuted(tensor: CheckpointTensor, orders: ReturnType<typeof channels>): Promise<Uint8Array> {
  const { rows, columns } = ordersOf(tensor.name, orders) as { rows?: Int32Array; columns?: Int32Array };
  const from = await tensorValues(tensor);
  const width = tensor.shape.at(-1)!;
  const to = new Float32Array(from.length);
  for (let row = 0; row < from.length / width; row++) {
    const start = (rows ? rows[row] : row) * width;
    for (let column = 0; column < width; column++)
      to[row * width + column] = from[start + (columns ? columns[column] : column)];
  }
  return new Uint8Array(to.buffer);
}

/** @param seed of the permutations */
export async function writePermuted(model: string, output: string, seed = 1): Promise<void> {
  const checkpoint = await openCheckpoint(model);
  const stream = createWriteStream(output);
  try {
    const orders = channels(checkpoint.metadata, seed);
    const metadata = [...checkpoint.metadata, ['general.file_type', 0]] as [string, GgufValue][];
    const tensors = [...checkpoint.tensors.values()].map((tensor) => ({
      name: tensor.name,
      shape: tensor.shape,
      format: F32,
      data: () => permuted(tensor, orders),
    }));
    await writeGguf(
      {
        async write(bytes) {
          if (!stream.write(bytes)) await once(stream, 'drain');
        },
      },
      { metadata, tensors },
    );
  } finally {
    stream.end();
    await once(stream, 'close');
    await checkpoint.close();
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [model, output, seed] = process.argv.slice(2);
  await writePermuted(model, output, Number(seed ?? 1));
}
