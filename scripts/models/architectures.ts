/**
 * Architectures of generated models: the metadata and tensors that llama.cpp needs for each. Matrices are
 * [outputs, inputs]. Scales are chosen so that every part affects the logits, no part dominates, and the next
 * token is neither certain nor random.
 */
import type { GgufValue } from '../../src/formats/gguf/write.ts';
import { byteLevelPieces, type Pieces, sentencePieces } from './pieces.ts';
import type { TensorPlan } from './weights.ts';

export interface Dimensions {
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headSize: number;
  /** Width of the feed-forward part. */
  readonly ffn: number;
  readonly vocabulary: number;
  readonly context: number;
}

export interface Architecture {
  /** Name for `--arch` and goldens. */
  readonly name: string;
  /** `general.architecture` and the prefix of its keys. */
  readonly family: string;
  /** Sizes of the tiny model. */
  readonly dimensions: Dimensions;
  /** Keys after the family's prefix, in addition to those of `Dimensions`. */
  readonly metadata: (dimensions: Dimensions) => Readonly<Record<string, GgufValue>>;
  readonly tensors: (dimensions: Dimensions) => TensorPlan[];
  readonly tokenizer: Tokenizer;
}

/** The toy tokenizer of a model, and its metadata for llama.cpp. */
export interface Tokenizer {
  readonly pieces: (vocabulary: number) => Pieces;
  /** Keys after `tokenizer.`. */
  readonly metadata: (pieces: Pieces) => Readonly<Record<string, GgufValue>>;
}

const chatMl =
  "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

const spm: Tokenizer = {
  pieces: (vocabulary) => sentencePieces(vocabulary),
  metadata: () => ({
    'ggml.model': 'llama',
    'ggml.pre': 'default',
    'ggml.bos_token_id': 1,
    'ggml.eos_token_id': 2,
    'ggml.unknown_token_id': 0,
    'ggml.add_bos_token': true,
    'ggml.add_eos_token': false,
  }),
};

/** If `general.name` contains Phi-3, llama.cpp rejects a vocabulary without the first of these. */
const phi3Spm: Tokenizer = {
  pieces: (vocabulary) => sentencePieces(vocabulary, ['<|endoftext|>', '<|user|>', '<|assistant|>', '<|end|>']),
  metadata: spm.metadata,
};

/** Gemma puts no space before a text. */
const gemmaSpm: Tokenizer = {
  pieces: spm.pieces,
  metadata: (pieces) => ({ ...spm.metadata(pieces), 'ggml.add_space_prefix': false }),
};

/** @param pre llama.cpp's name of the pre-tokenizer @param template chat template, if any */
function byteLevel(pre: string, specials: readonly string[], bos: boolean, template?: string): Tokenizer {
  return {
    pieces: (vocabulary) => byteLevelPieces(vocabulary, specials),
    metadata: ({ special }) => ({
      'ggml.model': 'gpt2',
      'ggml.pre': pre,
      'ggml.bos_token_id': special[0],
      'ggml.eos_token_id': special[special.length - 1],
      'ggml.add_bos_token': bos,
      ...(template ? { chat_template: template } : {}),
    }),
  };
}

const chatSpecials = ['<|endoftext|>', '<|im_start|>', '<|im_end|>'];

const tiny: Dimensions = {
  width: 256,
  layers: 2,
  heads: 8,
  kvHeads: 4,
  headSize: 32,
  ffn: 512,
  vocabulary: 512,
  context: 2048,
};

/** Deviation of logits without signal. The maximum of 512 such logits is about three times that. */
const LOGIT_DEVIATION = 2;

interface Parts {
  /** Head tied to the embedding: the residual stream is then as small as the embedding must be. */
  readonly tied?: boolean;
  /** Deviation of each layer's additions before they enter the residual, in units of the embedding's. */
  readonly gain?: number;
  readonly attentionBias?: number;
  readonly headNorms?: boolean;
  readonly fused?: boolean;
  /** Norms after attention and feed-forward (Gemma), and their mean. */
  readonly postNorm?: number;
  readonly extra?: readonly TensorPlan[];
}

/** Decoder of Llama: RMS norms, rotary attention, gated feed-forward. */
function gatedDecoder(d: Dimensions, parts: Parts): TensorPlan[] {
  const { tied = false, gain = 1.5 } = parts;
  const logitScale = LOGIT_DEVIATION / Math.sqrt(d.width);
  const embedding = { name: 'token_embd.weight', shape: [d.vocabulary, d.width], deviation: tied ? logitScale : 1 };
  const addition = parts.postNorm ? 1 : gain * (tied ? logitScale : 1);
  const head = {
    name: 'output.weight',
    shape: [d.vocabulary, d.width],
    deviation: logitScale,
    follows: { embedding, correlation: 0.55 },
  };
  const layer = (index: number): TensorPlan[] => {
    const block = (name: string) => `blk.${index}.${name}`;
    const matrix = (name: string, outputs: number, inputs: number, scale: number): TensorPlan => ({
      name: block(`${name}.weight`),
      shape: [outputs, inputs],
      deviation: scale / Math.sqrt(inputs),
    });
    const norm = (name: string, size = d.width, mean = 1): TensorPlan => ({
      name: block(`${name}.weight`),
      shape: [size],
      mean,
      deviation: 0.1 * mean,
    });
    const bias = (name: string, size: number): TensorPlan[] =>
      parts.attentionBias ? [{ name: block(`${name}.bias`), shape: [size], deviation: parts.attentionBias }] : [];
    const q = d.heads * d.headSize;
    const kv = d.kvHeads * d.headSize;
    const projections = parts.fused
      ? [matrix('attn_qkv', q + 2 * kv, d.width, 1.2)]
      : [
          matrix('attn_q', q, d.width, 1.2),
          ...bias('attn_q', q),
          matrix('attn_k', kv, d.width, 1.2),
          ...bias('attn_k', kv),
          matrix('attn_v', kv, d.width, 1.2),
          ...bias('attn_v', kv),
        ];
    const gates = parts.fused
      ? [matrix('ffn_up', 2 * d.ffn, d.width, 1)]
      : [matrix('ffn_gate', d.ffn, d.width, 1), matrix('ffn_up', d.ffn, d.width, 1)];
    return [
      norm('attn_norm'),
      ...projections,
      ...(parts.headNorms ? [norm('attn_q_norm', d.headSize, 1.2), norm('attn_k_norm', d.headSize, 1.2)] : []),
      matrix('attn_output', d.width, q, addition),
      ...(parts.postNorm ? [norm('post_attention_norm', d.width, parts.postNorm)] : []),
      norm('ffn_norm'),
      ...gates,
      matrix('ffn_down', d.width, d.ffn, addition),
      ...(parts.postNorm ? [norm('post_ffw_norm', d.width, parts.postNorm)] : []),
    ];
  };
  return [
    embedding,
    ...(parts.extra ?? []),
    ...Array.from({ length: d.layers }, (_, index) => layer(index)).flat(),
    { name: 'output_norm.weight', shape: [d.width], mean: 1, deviation: 0.1 },
    ...(tied ? [] : [head]),
  ];
}

/** GPT-2: layer norms with biases, learned positions, one matrix for q, k and v, head tied. */
function gpt2Decoder(d: Dimensions): TensorPlan[] {
  const scale = LOGIT_DEVIATION / Math.sqrt(d.width);
  const gain = 2.75 * scale;
  const norm = (name: string): TensorPlan[] => [
    { name: `${name}.weight`, shape: [d.width], mean: 1, deviation: 0.1 },
    { name: `${name}.bias`, shape: [d.width], deviation: 0.05 },
  ];
  const linear = (name: string, outputs: number, inputs: number, by: number): TensorPlan[] => [
    { name: `${name}.weight`, shape: [outputs, inputs], deviation: by / Math.sqrt(inputs) },
    { name: `${name}.bias`, shape: [outputs], deviation: 0.1 * by },
  ];
  const layer = (index: number) => [
    ...norm(`blk.${index}.attn_norm`),
    ...linear(`blk.${index}.attn_qkv`, 3 * d.width, d.width, 1.2),
    ...linear(`blk.${index}.attn_output`, d.width, d.width, gain),
    ...norm(`blk.${index}.ffn_norm`),
    ...linear(`blk.${index}.ffn_up`, d.ffn, d.width, 1),
    ...linear(`blk.${index}.ffn_down`, d.width, d.ffn, gain),
  ];
  return [
    { name: 'token_embd.weight', shape: [d.vocabulary, d.width], deviation: scale },
    { name: 'position_embd.weight', shape: [d.context, d.width], deviation: scale },
    ...Array.from({ length: d.layers }, (_, index) => layer(index)).flat(),
    ...norm('output_norm'),
  ];
}

/** Larger than in real models, so that omitting it is visible. The residual stream of a tied model is smaller. */
const rms = { 'attention.layer_norm_rms_epsilon': 0.01 };
const tiedRms = { 'attention.layer_norm_rms_epsilon': 0.001 };

/** Keys of the heads of rotary architectures. */
function rotary({ headSize }: Dimensions, base: number) {
  return {
    'rope.dimension_count': headSize,
    'rope.freq_base': base,
    'attention.key_length': headSize,
    'attention.value_length': headSize,
  };
}

/** Divisors of Llama 3.1's rotary frequencies: 1 for high ones, `factor` for low ones, a ramp in between. */
export function llama3RopeFactors(headSize: number, base: number, scaling: Llama3RopeScaling): number[] {
  const { factor, low, high, original } = scaling;
  return Array.from({ length: headSize / 2 }, (_, i) => {
    const turns = original / (2 * Math.PI * base ** ((2 * i) / headSize));
    const smooth = Math.min(1, Math.max(0, (turns - low) / (high - low)));
    // rounded to 12 bits, because the last bits of powers differ between machines
    return Math.round(4096 / ((1 - smooth) / factor + smooth)) / 4096;
  });
}

export interface Llama3RopeScaling {
  readonly factor: number;
  /** Number of rotations within the original context below which a frequency is low, and above which it is high. */
  readonly low: number;
  readonly high: number;
  readonly original: number;
}

/** Stronger than in the real model, so that it is visible within the few tokens of a test. */
export const llama31Scaling: Llama3RopeScaling = { factor: 8, low: 1, high: 4, original: 32 };

/** Phi-3's two lists of factors for the rotary frequencies: for short and for long contexts. */
function phi3Factors({ headSize }: Dimensions): TensorPlan[] {
  const list = (from: number, step: number) => Array.from({ length: headSize / 2 }, (_, i) => from + step * i);
  return [
    { name: 'rope_factors_long.weight', shape: [headSize / 2], values: list(1, 0.75) },
    { name: 'rope_factors_short.weight', shape: [headSize / 2], values: list(1, 0.0625) },
  ];
}

const phi3 = (original: number): Omit<Architecture, 'name'> => ({
  family: 'phi3',
  dimensions: tiny,
  metadata: (d) => ({
    ...rms,
    ...rotary(d, 10000),
    'rope.scaling.original_context_length': original,
    'rope.scaling.attn_factor': 1.1875,
    'attention.sliding_window': 16,
  }),
  tensors: (d) => gatedDecoder(d, { fused: true, extra: phi3Factors(d) }),
  tokenizer: phi3Spm,
});

export const architectures: readonly Architecture[] = [
  {
    name: 'llama',
    family: 'llama',
    dimensions: tiny,
    metadata: (d) => ({ ...rms, ...rotary(d, 10000) }),
    tensors: (d) => gatedDecoder(d, {}),
    tokenizer: spm,
  },
  {
    name: 'llama31',
    family: 'llama',
    dimensions: tiny,
    metadata: (d) => ({ ...rms, ...rotary(d, 500000) }),
    tensors: (d) => {
      const factors = llama3RopeFactors(d.headSize, 500000, llama31Scaling);
      const extra = [{ name: 'rope_freqs.weight', shape: [factors.length], values: factors }];
      return gatedDecoder(d, { extra });
    },
    tokenizer: byteLevel('llama-bpe', ['<|begin_of_text|>', '<|end_of_text|>'], true),
  },
  {
    name: 'llama-linear',
    family: 'llama',
    dimensions: tiny,
    metadata: (d) => ({ ...rms, ...rotary(d, 10000), 'rope.scaling.type': 'linear', 'rope.scaling.factor': 4 }),
    tensors: (d) => gatedDecoder(d, {}),
    tokenizer: spm,
  },
  {
    // with Mistral NeMo's heads, whose sizes do not add up to the width; llama.cpp ignores the window
    name: 'mistral',
    family: 'llama',
    dimensions: { ...tiny, heads: 4, kvHeads: 2, headSize: 128 },
    metadata: (d) => ({ ...rms, ...rotary(d, 1000000), 'attention.sliding_window': 16 }),
    tensors: (d) => gatedDecoder(d, {}),
    tokenizer: spm,
  },
  {
    name: 'smollm2',
    family: 'llama',
    dimensions: tiny,
    metadata: (d) => ({ ...tiedRms, ...rotary(d, 100000) }),
    tensors: (d) => gatedDecoder(d, { tied: true, gain: 3 }),
    tokenizer: byteLevel('smollm', chatSpecials, false, chatMl),
  },
  {
    name: 'qwen2',
    family: 'qwen2',
    dimensions: tiny,
    metadata: (d) => ({ ...rms, ...rotary(d, 1000000) }),
    tensors: (d) => gatedDecoder(d, { attentionBias: 0.3 }),
    tokenizer: byteLevel('qwen2', chatSpecials, false, chatMl),
  },
  {
    name: 'qwen3',
    family: 'qwen3',
    dimensions: { ...tiny, heads: 4, kvHeads: 2, headSize: 128 },
    metadata: (d) => ({ ...rms, ...rotary(d, 1000000) }),
    tensors: (d) => gatedDecoder(d, { headNorms: true }),
    tokenizer: byteLevel('qwen2', chatSpecials, false, chatMl),
  },
  {
    name: 'gemma2',
    family: 'gemma2',
    dimensions: { ...tiny, layers: 4, heads: 4, kvHeads: 2, headSize: 128, ffn: 256 },
    metadata: (d) => ({
      ...rms,
      ...rotary(d, 10000),
      'attention.sliding_window': 16,
      attn_logit_softcapping: 4,
      final_logit_softcapping: 12,
    }),
    tensors: (d) => gatedDecoder(d, { tied: true, postNorm: 2 }),
    tokenizer: gemmaSpm,
  },
  {
    name: 'gemma3',
    family: 'gemma3',
    dimensions: { ...tiny, layers: 7, heads: 4, kvHeads: 1, headSize: 128, ffn: 256 },
    metadata: (d) => ({ ...rms, ...rotary(d, 1000000), 'attention.sliding_window': 16 }),
    tensors: (d) => gatedDecoder(d, { tied: true, headNorms: true, postNorm: 1.625 }),
    tokenizer: gemmaSpm,
  },
  { ...phi3(4096), name: 'phi3' },
  // llama.cpp takes the long factors where the context it was asked for is longer than this
  { ...phi3(64), name: 'phi3-long' },
  {
    name: 'gpt2',
    family: 'gpt2',
    dimensions: { ...tiny, kvHeads: 8, context: 512 },
    metadata: () => ({ 'attention.layer_norm_epsilon': 0.001 }),
    tensors: gpt2Decoder,
    tokenizer: byteLevel('gpt-2', ['<|endoftext|>'], false),
  },
];

/** The metadata of a model: general keys, dimensions, the architecture's own, the tokenizer. */
export function metadataOf(architecture: Architecture, dimensions: Dimensions): Map<string, GgufValue> {
  const { family, name, tokenizer } = architecture;
  const pieces = tokenizer.pieces(dimensions.vocabulary);
  const own = {
    context_length: dimensions.context,
    embedding_length: dimensions.width,
    block_count: dimensions.layers,
    feed_forward_length: dimensions.ffn,
    'attention.head_count': dimensions.heads,
    'attention.head_count_kv': dimensions.kvHeads,
    ...architecture.metadata(dimensions),
  };
  const token = {
    ...tokenizer.metadata(pieces),
    'ggml.tokens': pieces.tokens,
    'ggml.token_type': Int32Array.from(pieces.types),
    ...(pieces.kind === 'spm' ? { 'ggml.scores': Float32Array.from(pieces.scores) } : {}),
    ...(pieces.kind === 'bpe' ? { 'ggml.merges': pieces.merges.map((pair) => pair.join(' ')) } : {}),
  };
  return new Map<string, GgufValue>([
    ['general.architecture', family],
    ['general.name', `random ${name}`],
    ['general.quantization_version', 2],
    ...Object.entries(own).map(([key, value]): [string, GgufValue] => [`${family}.${key}`, value]),
    ...Object.entries(token).map(([key, value]): [string, GgufValue] => [`tokenizer.${key}`, value]),
  ]);
}
