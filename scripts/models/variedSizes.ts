/**
 * GGUF models of sizes other than those in llama.cpp's test. Its models have two layers, no grouped heads and two experts, all
 * of which are used, so that many mistakes have no effect. The shapes of the tensors are those that our own graph asks for:
 * llama.cpp refuses the file if it expects others.
 */
import { readFile } from 'node:fs/promises';
import { type Random, seededRandom } from '../../src/core/random.ts';
import { type GgufFile, readGguf } from '../../src/formats/gguf/read.ts';
import { type TypedGgufValue, typedMetadata } from '../../src/formats/gguf/write.ts';
import { memorySource } from '../../src/formats/sources/memory.ts';
import { Graph } from '../../src/graph/graph.ts';
import { architectures } from '../../src/models/index.ts';
import { isList, Metadata } from '../../src/models/metadata.ts';
import { ModelBuilder, type TensorShape } from '../../src/models/modelBuilder.ts';
import type { GgufSkeleton } from './skeleton.ts';

export interface Sizes {
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headSize: number;
  readonly ffn: number;
  readonly window: number;
  readonly experts: number;
  readonly usedExperts: number;
  readonly expertFfn: number;
}

/** Random sizes. @param grouped false if every query head has its own key head */
export function randomSizes(random: Random, grouped: boolean): Sizes {
  const kvHeads = 2 + random.integer(2);
  const heads = kvHeads * 2;
  const usedExperts = 2 + random.integer(2);
  return {
    layers: 5 + random.integer(3),
    heads,
    kvHeads: grouped ? kvHeads : heads,
    headSize: 16,
    ffn: 64 + 32 * random.integer(3),
    window: 6 + random.integer(6),
    experts: usedExperts + 2 + random.integer(4),
    usedExperts,
    expertFfn: 32 + 32 * random.integer(2),
  };
}

/** An architecture that llama.cpp's test leaves out, made from a file of another. */
export interface Variant {
  readonly architecture: string;
  metadata(sizes: Sizes): readonly (readonly [key: string, value: TypedGgufValue])[];
  /** Shapes of tensors that the file does not have, with the layer 0; only the number of dimensions and unstated sizes matter. */
  readonly shapes?: Readonly<Record<string, readonly number[]>>;
}

const perLayer = (value: number): TypedGgufValue => ({ type: 'f32[]', value: new Array(32).fill(value) });

/** Local layers and global ones by turns. */
const layerPattern = Array.from({ length: 32 }, (_, layer) => layer % 2 === 0);

/** By the file whose tensors they have. */
export const leftOut: Readonly<Record<string, Variant>> = {
  'qwen3-dense.gguf': {
    architecture: 'apertus',
    metadata: () => [
      ['xielu.alpha_p', perLayer(0.8)],
      ['xielu.alpha_n', perLayer(0.4)],
      ['xielu.beta', perLayer(0.5)],
      ['xielu.eps', perLayer(-1e-6)],
    ],
  },
  'qwen2-dense.gguf': {
    architecture: 'bitnet',
    metadata: () => [],
    shapes: { 'blk.0.attn_sub_norm.weight': [1], 'blk.0.ffn_sub_norm.weight': [1] },
  },
  'gemma3-dense.gguf': {
    architecture: 'gemma4',
    // local heads are half as wide; the last layers share the keys of the two before them
    metadata: ({ layers }) => [
      ['gemma4.attention.key_length', { type: 'u32', value: 256 }],
      ['gemma4.attention.value_length', { type: 'u32', value: 256 }],
      ['gemma4.attention.key_length_swa', { type: 'u32', value: 128 }],
      ['gemma4.attention.value_length_swa', { type: 'u32', value: 128 }],
      ['gemma4.rope.dimension_count', { type: 'u32', value: 256 }],
      ['gemma4.rope.dimension_count_swa', { type: 'u32', value: 128 }],
      ['gemma4.attention.shared_kv_layers', { type: 'u32', value: layers - (layers > 5 ? 4 : 2) }],
      ['gemma4.attention.sliding_window_pattern', { type: 'bool[]', value: layerPattern }],
      ['gemma4.embedding_length_per_layer_input', { type: 'u32', value: 8 }],
      ['gemma4.final_logit_softcapping', { type: 'f32', value: 5 }],
    ],
    shapes: {
      'per_layer_token_embd.weight': [128, 8],
      'per_layer_model_proj.weight': [8, 8],
      'per_layer_proj_norm.weight': [8],
      'rope_freqs.weight': [8],
      'blk.0.inp_gate.weight': [8, 8],
      'blk.0.proj.weight': [8, 8],
      'blk.0.post_norm.weight': [8],
      'blk.0.layer_output_scale.weight': [1],
    },
  },
};

/** A file of llama.cpp's test with random sizes. @returns undefined if we do not support its architecture */
export async function variedModel(
  file: string,
  seed: number,
  grouped: boolean,
  variant?: Variant,
): Promise<GgufSkeleton | undefined> {
  const original = await readGguf(memorySource(new Uint8Array(await readFile(file)), file));
  const sizes = randomSizes(seededRandom(seed), grouped);
  const gguf = variant ? renamed(original, variant, sizes) : original;
  const name = String(gguf.metadata.get('general.architecture'));
  const architecture = architectures.find((one) => one.name === name && !one.foldersOnly);
  if (!architecture) return undefined;
  const before = Number(gguf.metadata.get(`${name}.attention.key_length`));
  const metadata = [...typedMetadata(gguf)].flatMap(([key, value]): [string, TypedGgufValue][] =>
    isDefault(value.value) && !key.endsWith('epsilon')
      ? []
      : [[key, resized(name, key.startsWith(`${name}.`) ? key.slice(name.length + 1) : key, value, sizes, before)]],
  );
  const tensors: Record<string, number[]> = {};
  const shapeOf = shapesByKind(gguf, variant?.shapes);
  const values = new Map(metadata.map(([key, { value }]): [string, unknown] => [key, value]));
  const experts = Number(values.get(`${name}.expert_count`) ?? 1);
  const model = new ModelBuilder({
    graph: new Graph(),
    metadata: new Metadata(file, name, values),
    fromFolder: false,
    context: 256,
    tensors(wanted, rows, columns): TensorShape | undefined {
      const shape = shapeOf(wanted);
      // of Qwen 3 rerankers
      if (!shape || (variant && wanted.startsWith('cls.'))) return undefined;
      const format = [...gguf.tensors.values()][0].format;
      const found = { rows: rows ?? shape.at(-2) ?? 1, columns: columns ?? shape.at(-1)! };
      const inner = shape.length === 1 ? [found.rows * found.columns] : [found.rows, found.columns];
      if (rows !== undefined || columns !== undefined)
        tensors[wanted] = shape.length === 3 ? [experts, found.rows / experts, found.columns] : inner;
      return { ...found, format, name: wanted };
    },
  });
  architecture.build(model);
  const label = variant?.architecture ?? file.split('/').at(-1)!.replace('.gguf', '');
  return { kind: 'gguf', name: label, seed, metadata, tensors };
}

/** Shapes of tensors by name. Layers beyond those of the file are like its last ones. */
function shapesByKind(
  { tensors }: GgufFile,
  others: Variant['shapes'] = {},
): (name: string) => readonly number[] | undefined {
  const layers = [...tensors.keys()].map((name) => Number(/^blk\.(\d+)\./.exec(name)?.[1] ?? -1));
  const last = Math.max(...layers);
  return (name) => {
    const layer = Number(/^blk\.(\d+)\./.exec(name)?.[1] ?? -1);
    const like = layer > last ? 1 + ((layer - 1) % last) : layer;
    const found = name.replace(/^blk\.\d+/, `blk.${like}`);
    return (
      (tensors.get(found) ?? tensors.get(found.replace(/_(gate|up)_exps/, '_gate_up_exps')))?.shape ??
      others[name.replace(/^blk\.\d+/, 'blk.0')]
    );
  };
}

function renamed(gguf: GgufFile, variant: Variant, sizes: Sizes): GgufFile {
  const { architecture } = variant;
  const metadata = variant.metadata(sizes);
  const before = String(gguf.metadata.get('general.architecture'));
  const rename = (key: string): string => key.replace(new RegExp(`^${before}\\.`), `${architecture}.`);
  const own = [...gguf.metadata].filter(([key]) => !key.startsWith('xielu.'));
  return {
    ...gguf,
    metadata: new Map<string, unknown>([
      ...own.map(([key, value]): [string, unknown] => [rename(key), value]),
      ['general.architecture', architecture],
      ...metadata.map(([key, { value }]): [string, unknown] => [key, value]),
    ]),
    types: new Map([
      ...[...gguf.types].map(([key, type]): [string, string] => [rename(key), type]),
      ...metadata.map(([key, { type }]): [string, string] => [key, type]),
    ]),
  };
}

/** llama.cpp's test writes all keys that there are, most of them with a default. */
function isDefault(value: unknown): boolean {
  if (isList(value)) return Array.from(value).every(isDefault);
  return value === 0 || value === -1 || value === Number.NEGATIVE_INFINITY;
}

/** @param headSize of the original model */
function resized(
  architecture: string,
  key: string,
  { type, value }: TypedGgufValue,
  sizes: Sizes,
  headSize: number,
): TypedGgufValue {
  const width = sizes.heads * sizes.headSize;
  const deltaNet = architecture.startsWith('qwen');
  const sized: Readonly<Record<string, number>> = {
    block_count: sizes.layers,
    embedding_length: width,
    features_length: width,
    feed_forward_length: sizes.ffn,
    'attention.head_count': sizes.heads,
    'attention.head_count_kv': sizes.kvHeads,
    'attention.sliding_window': sizes.window,
    expert_count: sizes.experts,
    expert_used_count: sizes.usedExperts,
    expert_feed_forward_length: sizes.expertFfn,
    expert_shared_feed_forward_length: 48,
    // a delta net has values as wide as its heads, Mamba twice the model's width
    'ssm.state_size': 16,
    'ssm.group_count': 2,
    'ssm.time_step_rank': deltaNet ? 4 : 2 * sizes.heads,
    'ssm.inner_size': deltaNet ? 64 : 2 * width,
  };
  if (/^(attention\.(key|value)_length|rope\.dimension_count)(_swa)?$/.test(key))
    return { type, value: (Number(value) * sizes.headSize) / headSize };
  if (key === 'rope.dimension_sections') return { type, value: new Array(4).fill(sizes.headSize / 4) };
  const own = sized[key];
  if (!isList(value)) return { type, value: own ?? value };
  const list = Array.from(value);
  if (!/^(xielu|attention|feed_forward|swiglu)/.test(key)) return { type, value: list };
  const of = (layer: number) => list[layer < list.length ? layer : 1 + ((layer - 1) % (list.length - 1))];
  const perLayer = Array.from({ length: sizes.layers }, (_, layer) => (own && of(layer) ? own : of(layer)));
  return { type, value: perLayer };
}
