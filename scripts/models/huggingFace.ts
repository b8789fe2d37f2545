/**
 * Writes generated models as Hugging Face folders: config.json, tokenizer.json, tokenizer_config.json, model.safetensors.
 * The weights are those of the GGUF file with PyTorch's names and layouts, so both must give the same results.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { OptionError } from '../../src/core/errors.ts';
import { safetensorsBytes } from '../../src/formats/safetensors/write.ts';
import type { TensorToWrite } from '../../src/formats/tensorToWrite.ts';
import { formatByName } from '../../src/tensor/formats.ts';
import { type Architecture, type Dimensions, llama31Scaling } from './architectures.ts';
import { type ModelOptions, plannedModel } from './gguf.ts';
import { tokenizerConfig, tokenizerJson } from './tokenizerJson.ts';
import { type TensorPlan, valuesOf } from './weights.ts';

/** A matrix or vector to convert from GGUF names and layout to PyTorch's. */
interface NamedValues {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

interface HuggingFaceFamily {
  /** Value of `model_type`, and class of `architectures`. */
  readonly type: string;
  readonly className: string;
  readonly config: (
    dimensions: Dimensions,
    own: Readonly<Record<string, unknown>>,
  ) => Readonly<Record<string, unknown>>;
  readonly convert: (tensor: NamedValues, dimensions: Dimensions) => NamedValues[];
}

/**
 * Writes a folder. `format` is F32, F16 or BF16. `architecture` 'gpt_neo' uses GPT-2's weights with GPT-Neo's names,
 * with local attention in every second layer; it has no GGUF form.
 * @throws {OptionError} if the architecture has no Hugging Face form
 */
export async function writeHuggingFaceModel(folder: string, options: ModelOptions): Promise<void> {
  const neo = options.architecture === 'gpt_neo';
  const { architecture, dimensions, tensors, seed } = plannedModel(
    neo ? { ...options, architecture: 'gpt2' } : options,
  );
  const family = families[neo ? 'gpt_neo' : architecture.name];
  if (!family) throw new OptionError('architecture', architecture.name, `one of ${Object.keys(families).join(', ')}`);
  const tied = !tensors.some(({ name }) => name === 'output.weight');
  const pieces = architecture.tokenizer.pieces(dimensions.vocabulary);
  const config = {
    architectures: [family.className],
    model_type: family.type,
    torch_dtype: { F32: 'float32', F16: 'float16', BF16: 'bfloat16' }[options.format],
    vocab_size: dimensions.vocabulary,
    tie_word_embeddings: tied,
    ...family.config(dimensions, ownMetadata(architecture, dimensions)),
  };
  const weights = await safetensorsBytes({
    metadata: [['format', 'pt']],
    tensors: tensors.flatMap((plan) => converted(plan, family, dimensions, options.format, seed)),
  });
  const json = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`;
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'config.json'), json(config));
  await writeFile(join(folder, 'tokenizer.json'), json(tokenizerJson(pieces, architecture.tokenizer)));
  await writeFile(join(folder, 'tokenizer_config.json'), json(tokenizerConfig(pieces, architecture.tokenizer)));
  await writeFile(join(folder, 'model.safetensors'), weights);
}

function ownMetadata(architecture: Architecture, dimensions: Dimensions): Record<string, unknown> {
  return { ...architecture.metadata(dimensions) };
}

function converted(plan: TensorPlan, family: HuggingFaceFamily, d: Dimensions, format: string, seed: number) {
  const storage = formatByName(format);
  const tensors = family.convert({ name: plan.name, shape: plan.shape, values: valuesOf(plan, seed) }, d);
  return tensors.map(({ name, shape, values }): TensorToWrite => {
    const data = new Uint8Array(values.length * storage.blockBytes);
    storage.encode(values, 0, data, 0, values.length);
    return { name, shape, format: storage, data };
  });
}

const decoderNames: Readonly<Record<string, string>> = {
  attn_norm: 'input_layernorm',
  attn_q: 'self_attn.q_proj',
  attn_k: 'self_attn.k_proj',
  attn_v: 'self_attn.v_proj',
  attn_output: 'self_attn.o_proj',
  attn_q_norm: 'self_attn.q_norm',
  attn_k_norm: 'self_attn.k_norm',
  ffn_norm: 'post_attention_layernorm',
  ffn_gate: 'mlp.gate_proj',
  ffn_up: 'mlp.up_proj',
  ffn_down: 'mlp.down_proj',
};

function decoderName(name: string): string {
  const [, layer, part, kind] = /^blk\.(\d+)\.(\w+)\.(weight|bias)$/.exec(name) ?? [];
  if (layer !== undefined) return `model.layers.${layer}.${decoderNames[part]}.${kind}`;
  return (
    { 'token_embd.weight': 'model.embed_tokens.weight', 'output_norm.weight': 'model.norm.weight' }[name] ??
    'lm_head.weight'
  );
}

/** llama.cpp stores rotary pairs of Llama's q and k side by side, PyTorch half a head apart. */
function halvesApart({ name, shape, values }: NamedValues, headSize: number): NamedValues {
  const [rows, columns] = shape;
  const moved = new Float32Array(values.length);
  for (let row = 0; row < rows; row++) {
    const within = row % headSize;
    const to = row - within + (within % 2) * (headSize / 2) + (within >> 1);
    moved.set(values.subarray(row * columns, (row + 1) * columns), to * columns);
  }
  return { name, shape, values: moved };
}

/** @param pairs true if GGUF stores rotary pairs side by side */
function convertDecoder(pairs: boolean) {
  return (tensor: NamedValues, { headSize }: Dimensions): NamedValues[] => {
    // it is in config.json instead
    if (tensor.name === 'rope_freqs.weight') return [];
    const turned = pairs && /attn_[qk]\.weight$/.test(tensor.name) ? halvesApart(tensor, headSize) : tensor;
    return [{ ...turned, name: decoderName(tensor.name) }];
  };
}

const decoderConfig =
  (more: Readonly<Record<string, unknown>> = {}) =>
  (d: Dimensions, own: Readonly<Record<string, unknown>>) => ({
    hidden_size: d.width,
    num_hidden_layers: d.layers,
    num_attention_heads: d.heads,
    num_key_value_heads: d.kvHeads,
    head_dim: d.headSize,
    intermediate_size: d.ffn,
    max_position_embeddings: d.context,
    hidden_act: 'silu',
    rms_norm_eps: own['attention.layer_norm_rms_epsilon'],
    rope_theta: own['rope.freq_base'],
    ...more,
  });

const llama = (more: Readonly<Record<string, unknown>> = {}): HuggingFaceFamily => ({
  type: 'llama',
  className: 'LlamaForCausalLM',
  config: decoderConfig({ attention_bias: false, mlp_bias: false, rope_scaling: null, ...more }),
  convert: convertDecoder(true),
});

const gpt2Names: Readonly<Record<string, string>> = {
  attn_norm: 'ln_1',
  attn_qkv: 'attn.c_attn',
  attn_output: 'attn.c_proj',
  ffn_norm: 'ln_2',
  ffn_up: 'mlp.c_fc',
  ffn_down: 'mlp.c_proj',
};

function gptName(name: string, names: Readonly<Record<string, string>>): string {
  const [, layer, part, kind] = /^(?:blk\.(\d+)\.)?(\w+)\.(weight|bias)$/.exec(name)!;
  if (layer !== undefined) return `transformer.h.${layer}.${names[part]}.${kind}`;
  return `transformer.${{ token_embd: 'wte', position_embd: 'wpe', output_norm: 'ln_f' }[part]}.${kind}`;
}

/** GPT-2 stores matrices transposed, [inputs, outputs]. */
function transposed({ name, shape: [rows, columns], values }: NamedValues): NamedValues {
  const turned = values.map((_, i) => values[(i % rows) * columns + Math.floor(i / rows)]);
  return { name, shape: [columns, rows], values: turned };
}

/** GPT-Neo has separate q, k and v without biases. */
function convertNeo(tensor: NamedValues, { width }: Dimensions): NamedValues[] {
  if (tensor.name.endsWith('attn_qkv.bias')) return [];
  const names = { ...gpt2Names, attn_output: 'attn.attention.out_proj' };
  if (!tensor.name.endsWith('attn_qkv.weight')) return [{ ...tensor, name: gptName(tensor.name, names) }];
  return ['q_proj', 'k_proj', 'v_proj'].map((part, i) => ({
    name: gptName(tensor.name, { attn_qkv: `attn.attention.${part}` }),
    shape: [width, width],
    values: tensor.values.subarray(i * width * width, (i + 1) * width * width),
  }));
}

const families: Readonly<Record<string, HuggingFaceFamily>> = {
  llama: llama(),
  llama31: llama({
    rope_scaling: {
      rope_type: 'llama3',
      factor: llama31Scaling.factor,
      low_freq_factor: llama31Scaling.low,
      high_freq_factor: llama31Scaling.high,
      original_max_position_embeddings: llama31Scaling.original,
    },
  }),
  'llama-linear': llama({ rope_scaling: { rope_type: 'linear', factor: 4 } }),
  mistral: { ...llama({ sliding_window: null }), type: 'mistral', className: 'MistralForCausalLM' },
  smollm2: llama(),
  qwen2: {
    type: 'qwen2',
    className: 'Qwen2ForCausalLM',
    config: decoderConfig({ use_sliding_window: false }),
    convert: convertDecoder(false),
  },
  qwen3: {
    type: 'qwen3',
    className: 'Qwen3ForCausalLM',
    config: decoderConfig({ use_sliding_window: false, attention_bias: false }),
    convert: convertDecoder(false),
  },
  gpt2: {
    type: 'gpt2',
    className: 'GPT2LMHeadModel',
    config: (d, own) => ({
      n_embd: d.width,
      n_layer: d.layers,
      n_head: d.heads,
      n_inner: d.ffn,
      n_positions: d.context,
      activation_function: 'gelu_new',
      layer_norm_epsilon: own['attention.layer_norm_epsilon'],
    }),
    convert: (tensor) => {
      const named = { ...tensor, name: gptName(tensor.name, gpt2Names) };
      return [
        /^blk\.\d+\.(attn_qkv|attn_output|ffn_up|ffn_down)\.weight$/.test(tensor.name) ? transposed(named) : named,
      ];
    },
  },
  gpt_neo: {
    type: 'gpt_neo',
    className: 'GPTNeoForCausalLM',
    config: (d, own) => ({
      hidden_size: d.width,
      num_layers: d.layers,
      num_heads: d.heads,
      intermediate_size: d.ffn,
      max_position_embeddings: d.context,
      activation_function: 'gelu_new',
      layer_norm_epsilon: own['attention.layer_norm_epsilon'],
      attention_types: [[['global', 'local'], d.layers / 2]],
      attention_layers: Array.from({ length: d.layers }, (_, layer) => (layer % 2 ? 'local' : 'global')),
      window_size: 16,
    }),
    convert: convertNeo,
  },
};
