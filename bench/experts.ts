/**
 * Time of a token of a mixture of experts, beside that of a dense model which reads as many bytes for it: random weights, the same
 * attention and vocabulary, a feed-forward part as wide as the chosen experts together. Limit: 1.15 times. Both are loaded once, and
 * take turns. The last line is JSON.
 *
 *     npx tsx bench/experts.ts [--shape granite|olmoe|tiny] [--format Q4_0] [--threads 2] [--rounds 5] [--tokens 32] [--trace]
 */
import { existsSync, mkdirSync } from 'node:fs';
import { open, rename } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { drawnBlocks } from '../scripts/models/drawnBlocks.ts';
import { type GgufValue, writeGguf } from '../src/formats/gguf/write.ts';
import type { TensorToWrite } from '../src/formats/tensorToWrite.ts';
import { load, type Model } from '../src/index.ts';
import { formatByName } from '../src/tensor/formats.ts';

interface Shape {
  readonly layers: number;
  readonly width: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly experts: number;
  readonly used: number;
  readonly expertFfn: number;
  readonly vocabulary: number;
}

const shapes: Readonly<Record<string, Shape>> = {
  // Granite 3.1 1B-A400M
  granite: { layers: 24, width: 1024, heads: 16, kvHeads: 8, experts: 32, used: 8, expertFfn: 512, vocabulary: 49152 },
  // OLMoE 1B-7B, with half of its layers
  olmoe: { layers: 8, width: 2048, heads: 16, kvHeads: 16, experts: 64, used: 8, expertFfn: 1024, vocabulary: 50304 },
  tiny: { layers: 6, width: 256, heads: 4, kvHeads: 4, experts: 8, used: 2, expertFfn: 256, vocabulary: 4096 },
};
const LIMIT = 1.15;

const { values } = parseArgs({
  options: {
    shape: { type: 'string', default: 'granite' },
    format: { type: 'string', default: 'Q4_0' },
    threads: { type: 'string', default: String(availableParallelism()) },
    rounds: { type: 'string', default: '5' },
    tokens: { type: 'string', default: '32' },
    trace: { type: 'boolean', default: false },
  },
});
const shape = shapes[values.shape];
if (!shape) throw new Error(`--shape is ${values.shape}, expected one of ${Object.keys(shapes).join(', ')}`);

/** The file of a model with random weights, made once. @param isMixture false: the dense model */
async function fileOf(
  { layers, width, heads, kvHeads, experts, used, expertFfn, vocabulary }: Shape,
  isMixture: boolean,
) {
  const folder = fileURLToPath(new URL('models/', import.meta.url));
  const path = `${folder}experts-${values.shape}-${isMixture ? 'mixture' : 'dense'}-${values.format.toLowerCase()}.gguf`;
  if (existsSync(path)) return path;
  mkdirSync(folder, { recursive: true });
  const drawn = drawnBlocks(1);
  const tensors: TensorToWrite[] = [];
  const add = (name: string, ...dimensions: number[]) => {
    const isVector = dimensions.length === 1;
    const format = formatByName(isVector || name.includes('gate_inp') ? 'F32' : values.format);
    const plan = isVector
      ? { name, shape: dimensions, mean: 1, deviation: 0.1 }
      : { name, shape: dimensions, deviation: 1 / Math.sqrt(dimensions.at(-1)!) };
    tensors.push({ name, shape: dimensions, format, data: () => drawn(plan, format) });
  };
  const headSize = width / heads;
  const ffn = isMixture ? expertFfn : used * expertFfn;
  add('token_embd.weight', vocabulary, width);
  add('output_norm.weight', width);
  for (let layer = 0; layer < layers; layer++) {
    const block = (name: string, ...dimensions: number[]) => add(`blk.${layer}.${name}.weight`, ...dimensions);
    block('attn_norm', width);
    block('attn_q', width, width);
    block('attn_k', kvHeads * headSize, width);
    block('attn_v', kvHeads * headSize, width);
    block('attn_output', width, width);
    block('ffn_norm', width);
    if (isMixture) {
      block('ffn_gate_inp', experts, width);
      block('ffn_gate_exps', experts, ffn, width);
      block('ffn_up_exps', experts, ffn, width);
      block('ffn_down_exps', experts, width, ffn);
    } else {
      block('ffn_gate', ffn, width);
      block('ffn_up', ffn, width);
      block('ffn_down', width, ffn);
    }
  }
  const own: Record<string, GgufValue> = {
    block_count: layers,
    context_length: 4096,
    embedding_length: width,
    feed_forward_length: ffn,
    'attention.head_count': heads,
    'attention.head_count_kv': kvHeads,
    'attention.layer_norm_rms_epsilon': 1e-5,
    'rope.freq_base': 10000,
    ...(isMixture ? { expert_count: experts, expert_used_count: used } : {}),
  };
  const metadata: [string, GgufValue][] = [
    ['general.architecture', 'llama'],
    ...Object.entries(own).map(([key, value]): [string, GgufValue] => [`llama.${key}`, value]),
  ];
  const file = await open(`${path}.part`, 'w');
  await writeGguf({ write: async (bytes) => void (await file.write(bytes)) }, { metadata, tensors });
  await file.close();
  await rename(`${path}.part`, path);
  return path;
}

/** Milliseconds of a token. */
async function timeOf(model: Model, round: number): Promise<number> {
  const session = model.session();
  const options = { temperature: 0, stop: [], draft: 'off', maxTokens: Number(values.tokens) } as const;
  // one token: a prompt's tokens choose most of the experts together, which would be in the times by kernel
  const prompt = [3 + ((round * 97) % 3000)];
  await session.generate(prompt, { ...options, maxTokens: 1 }).result;
  const began = performance.now();
  const { ids } = await session.generate([...prompt, 5], options).result;
  const time = (performance.now() - began) / ids.length;
  session.dispose();
  return time;
}

const median = (all: readonly number[]): number => all.toSorted((a, b) => a - b)[all.length >> 1];
const options = { threads: Number(values.threads), context: 512, trace: values.trace };
const models = await Promise.all([true, false].map(async (isMixture) => load(await fileOf(shape, isMixture), options)));
const [mixture, dense] = models as [Model, Model];
const times = { mixture: [] as number[], dense: [] as number[] };
for (let round = 0; round < Number(values.rounds) + 1; round++) {
  const found = { mixture: await timeOf(mixture, round), dense: await timeOf(dense, round) };
  // the first round chooses how weights are read
  if (round === 0) continue;
  times.mixture.push(found.mixture);
  times.dense.push(found.dense);
}
const result = { mixture: median(times.mixture), dense: median(times.dense) };
const ratio = result.mixture / result.dense;
console.log(
  `${values.shape} ${values.format}, ${values.threads} threads: mixture ${result.mixture.toFixed(2)} ms a token, dense ${result.dense.toFixed(2)}, ratio ${ratio.toFixed(3)} (limit ${LIMIT}: ${ratio <= LIMIT ? 'pass' : 'FAIL'})`,
);
if (values.trace)
  for (const [name, model] of Object.entries({ mixture, dense })) {
    const byKernel = new Map<string, number>();
    for (const { kernel, seconds } of model.timings()) byKernel.set(kernel, (byKernel.get(kernel) ?? 0) + seconds);
    const all = [...byKernel]
      .sort((a, b) => b[1] - a[1])
      .map(([kernel, seconds]) => `${kernel} ${(1000 * seconds).toFixed(0)}`);
    console.log(`${name}, milliseconds in all: ${all.slice(0, 14).join(', ')}`);
  }
for (const model of models) model.dispose();
console.log(JSON.stringify({ bench: 'experts', shape: values.shape, format: values.format, ...result, ratio, times }));
process.exitCode = ratio <= LIMIT ? 0 : 1;
