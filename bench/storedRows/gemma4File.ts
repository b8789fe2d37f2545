/**
 * A file of Gemma 4's shape, as a sparse file: most matrices are zeros that take no room on the disk. The embeddings of the first
 * tokens and the layers' inputs are random, so that rows which are read from the file have an effect on the logits.
 */
import { type FileHandle, open } from 'node:fs/promises';
import { drawnBlocks } from '../../scripts/models/drawnBlocks.ts';
import type { ByteSink } from '../../src/formats/byteSink.ts';
import { type GgufValue, writeGguf } from '../../src/formats/gguf/write.ts';
import type { TensorToWrite } from '../../src/formats/tensorToWrite.ts';
import { bytesOf } from '../../src/tensor/blockFormat.ts';
import { formatByName } from '../../src/tensor/formats.ts';

export interface Gemma4Shape {
  readonly layers: number;
  readonly width: number;
  readonly ffn: number;
  readonly kvHeads: number;
  /** Layers that attend to the keys and values of earlier ones. */
  readonly shared: number;
  /** True if their feed-forward parts are twice as wide. */
  readonly doubleWide: boolean;
  /** Every so many layers one is global. */
  readonly period: number;
}

export const gemma4Shapes: Readonly<Record<string, Gemma4Shape>> = {
  e2b: { layers: 35, width: 1536, ffn: 6144, kvHeads: 1, shared: 20, doubleWide: true, period: 5 },
  e4b: { layers: 42, width: 2560, ffn: 10240, kvHeads: 2, shared: 18, doubleWide: false, period: 6 },
};

const HEADS = 8;
const LOCAL_HEAD = 256;
const GLOBAL_HEAD = 512;
/** Values of a layer's input. */
const PER_LAYER = 256;
/** Tokens with random embeddings. */
export const FILLED_TOKENS = 2048;
const SEED = 4;

/** Writes the file. @param vocabulary metadata of the tokenizer @param tokens number of its tokens */
export async function writeGemma4(
  path: string,
  shape: Gemma4Shape,
  vocabulary: ReadonlyMap<string, GgufValue>,
  tokens: number,
): Promise<void> {
  const file = await open(path, 'w');
  try {
    await writeGguf(sparseSink(file), {
      metadata: [...metadataOf(shape), ...vocabulary],
      tensors: tensorsOf(shape, tokens),
    });
  } finally {
    await file.close();
  }
}

const ZEROS = new Uint8Array(2 ** 26);

/** Leaves holes where zeros are written. */
function sparseSink(file: FileHandle): ByteSink {
  let size = 0;
  return {
    async write(bytes) {
      if (bytes.buffer !== ZEROS.buffer) await file.write(bytes, 0, bytes.length, size);
      size += bytes.length;
      if (bytes.buffer === ZEROS.buffer) await file.truncate(size);
    },
  };
}

function* zeros(bytes: number): Generator<Uint8Array> {
  for (let left = bytes; left > 0; left -= ZEROS.length) yield ZEROS.subarray(0, Math.min(left, ZEROS.length));
}

const isLocal = ({ period }: Gemma4Shape, layer: number): boolean => (layer + 1) % period !== 0;

function ffnOf({ layers, ffn, shared, doubleWide }: Gemma4Shape, layer: number): number {
  return doubleWide && layer >= layers - shared ? 2 * ffn : ffn;
}

function metadataOf(shape: Gemma4Shape): [string, GgufValue][] {
  const { layers, width, kvHeads, shared, period } = shape;
  const own: Record<string, GgufValue> = {
    block_count: layers,
    context_length: 131072,
    embedding_length: width,
    embedding_length_per_layer_input: PER_LAYER,
    feed_forward_length: Int32Array.from({ length: layers }, (_, layer) => ffnOf(shape, layer)),
    'attention.head_count': HEADS,
    'attention.head_count_kv': kvHeads,
    'attention.key_length': GLOBAL_HEAD,
    'attention.value_length': GLOBAL_HEAD,
    'attention.key_length_swa': LOCAL_HEAD,
    'attention.value_length_swa': LOCAL_HEAD,
    'attention.layer_norm_rms_epsilon': 1e-6,
    'attention.shared_kv_layers': shared,
    'attention.sliding_window': 512,
    'attention.sliding_window_pattern': Array.from({ length: layers }, (_, layer) =>
      isLocal({ ...shape, period }, layer),
    ),
    'rope.dimension_count': GLOBAL_HEAD,
    'rope.dimension_count_swa': LOCAL_HEAD,
    'rope.freq_base': 1000000,
    'rope.freq_base_swa': 10000,
    final_logit_softcapping: 30,
  };
  return [
    ['general.architecture', 'gemma4'],
    ['general.name', `random ${layers} layers`],
    ...Object.entries(own).map(([key, value]): [string, GgufValue] => [`gemma4.${key}`, value]),
  ];
}

/** Formats as in the published Q4_0 files, whose sizes they give. */
function tensorsOf(shape: Gemma4Shape, tokens: number): TensorToWrite[] {
  const { layers, width, kvHeads } = shape;
  const drawn = drawnBlocks(SEED);
  const [tensors, inputs] = [[] as TensorToWrite[], layers * PER_LAYER];
  /** @param filled rows that are random; the others are zeros */
  const add = (name: string, format: string, rows: number, columns: number, filled = 0) => {
    const block = formatByName(format);
    const rest = bytesOf(block, (rows - filled) * columns);
    async function* data() {
      if (filled > 0) yield* drawn({ name, shape: [filled, columns], deviation: 1 / Math.sqrt(columns) }, block);
      yield* zeros(rest);
    }
    tensors.push({ name, format: block, shape: rows === 1 ? [columns] : [rows, columns], data });
  };
  const vector = (name: string, values: Float32Array) =>
    tensors.push({ name, format: formatByName('F32'), shape: [values.length], data: new Uint8Array(values.buffer) });
  const ones = (name: string, length: number) => vector(name, new Float32Array(length).fill(1));
  add('token_embd.weight', 'Q6_K', tokens, width, FILLED_TOKENS);
  add('per_layer_token_embd.weight', 'Q5_K', tokens, inputs, FILLED_TOKENS);
  add('per_layer_model_proj.weight', 'F16', inputs, width);
  ones('per_layer_proj_norm.weight', PER_LAYER);
  ones('output_norm.weight', width);
  // a quarter of each head turns
  vector('rope_freqs.weight', new Float32Array(GLOBAL_HEAD / 2).fill(1).fill(1e30, GLOBAL_HEAD / 8));
  for (let layer = 0; layer < layers; layer++) {
    const block = `blk.${layer}`;
    const size = isLocal(shape, layer) ? LOCAL_HEAD : GLOBAL_HEAD;
    const ffn = ffnOf(shape, layer);
    const matrix = (name: string, rows: number, columns: number, filled = 0) =>
      add(`${block}.${name}.weight`, 'Q4_0', rows, columns, filled);
    for (const norm of ['attn_norm', 'post_attention_norm', 'ffn_norm', 'post_ffw_norm', 'post_norm'])
      ones(`${block}.${norm}.weight`, width);
    for (const norm of ['attn_q_norm', 'attn_k_norm']) ones(`${block}.${norm}.weight`, size);
    vector(`${block}.layer_output_scale.weight`, Float32Array.of(1));
    matrix('attn_q', HEADS * size, width);
    matrix('attn_k', kvHeads * size, width);
    matrix('attn_v', kvHeads * size, width);
    matrix('attn_output', width, HEADS * size);
    matrix('ffn_gate', ffn, width);
    matrix('ffn_up', ffn, width);
    matrix('ffn_down', width, ffn);
    matrix('inp_gate', PER_LAYER, width, PER_LAYER);
    matrix('proj', width, PER_LAYER, width);
  }
  return tensors;
}
