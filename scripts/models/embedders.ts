/**
 * Tiny random embedders and rerankers: metadata, config.json, and tensors under GGUF names. `embedderFiles.ts` writes them.
 * Deviations are chosen so that every part is felt.
 */
import type { GgufValue } from '../../src/formats/gguf/write.ts';
import { biased, gains, layerNorm, layers, matrix, SIZES, stacked, table } from './embedderTensors.ts';
import type { TensorPlan } from './weights.ts';

export interface EmbedderPlan {
  readonly name: string;
  /** `general.architecture`. */
  readonly family: string;
  /** Keys without the family's prefix. */
  readonly metadata: Readonly<Record<string, GgufValue>>;
  readonly tensors: readonly TensorPlan[];
  /** Tensors of a classifier that only the folder has. */
  readonly head?: readonly TensorPlan[];
  /** config.json, and the class of transformers that reads it; undefined: there is no folder, or no class. */
  readonly config?: Readonly<Record<string, unknown>>;
  readonly className?: string;
  /** Prefix of the folder's tensors, except for those of the classifier. */
  readonly prefix?: string;
  /** Dense layers after pooling, as modules of sentence-transformers and as tensors of the GGUF file. */
  readonly dense?: readonly TensorPlan[];
  /** Pooling in the folder. */
  readonly pooling?: 'mean' | 'cls' | 'lasttoken';
}

const { width, heads, ffn, vocabulary, context } = SIZES;
/** ggml's pooling types. */
const POOLING = { mean: 1, cls: 2, last: 3, rank: 4 } as const;

const keys = (count: number, more: Readonly<Record<string, GgufValue>>): Readonly<Record<string, GgufValue>> => ({
  block_count: count,
  embedding_length: width,
  feed_forward_length: ffn,
  context_length: context,
  'attention.head_count': heads,
  vocab_size: vocabulary,
  ...more,
});
const config = (count: number, more: object) => ({
  vocab_size: vocabulary,
  hidden_size: width,
  intermediate_size: ffn,
  num_hidden_layers: count,
  num_attention_heads: heads,
  max_position_embeddings: context,
  pad_token_id: 0,
  bos_token_id: 2,
  eos_token_id: 3,
  ...more,
});

const LAYER_NORM = { 'attention.layer_norm_epsilon': 1e-5, 'attention.causal': false };
const RMS = { 'attention.layer_norm_rms_epsilon': 1e-5 };

const bertTensors: readonly TensorPlan[] = [
  table('token_embd', vocabulary),
  table('token_types', 2),
  table('position_embd', context),
  ...layerNorm('token_embd_norm'),
  ...layers(2, (name) => [
    ...['attn_q', 'attn_k', 'attn_v', 'attn_output'].flatMap((part) => biased(name(part), width, width)),
    ...layerNorm(name('attn_output_norm')),
    ...biased(name('ffn_up'), ffn, width),
    ...biased(name('ffn_down'), width, ffn),
    ...layerNorm(name('layer_output_norm')),
  ]),
];
const bertConfig = config(2, { model_type: 'bert', hidden_act: 'gelu_new', type_vocab_size: 2, layer_norm_eps: 1e-5 });

const nomicTensors: readonly TensorPlan[] = [
  table('token_embd', vocabulary),
  table('token_types', 2),
  ...layerNorm('token_embd_norm'),
  ...layers(2, (name) => [
    matrix(name('attn_qkv'), 3 * width, width),
    matrix(name('attn_output'), width, width),
    ...layerNorm(name('attn_output_norm')),
    matrix(name('ffn_up'), ffn, width),
    matrix(name('ffn_gate'), ffn, width),
    matrix(name('ffn_down'), width, ffn),
    ...layerNorm(name('layer_output_norm')),
  ]),
];

const EXPERTS = 6;
/** Experts in every second layer, whose matrices lie one after another. */
const nomicMoeTensors: readonly TensorPlan[] = [
  table('token_embd', vocabulary),
  table('token_types', 2),
  ...layerNorm('token_embd_norm'),
  ...layers(4, (name, layer) => [
    ...biased(name('attn_qkv'), 3 * width, width),
    ...biased(name('attn_output'), width, width),
    ...layerNorm(name('attn_output_norm')),
    ...(layer % 2 === 1
      ? [
          matrix(name('ffn_gate_inp'), EXPERTS, width),
          stacked(name('ffn_up_exps'), EXPERTS, ffn, width),
          stacked(name('ffn_down_exps'), EXPERTS, width, ffn),
        ]
      : [...biased(name('ffn_up'), ffn, width), ...biased(name('ffn_down'), width, ffn)]),
    ...layerNorm(name('layer_output_norm')),
  ]),
];

const jinaTensors: readonly TensorPlan[] = [
  table('token_embd', vocabulary),
  table('token_types', 2),
  ...layerNorm('token_embd_norm'),
  ...layers(2, (name) => [
    ...['attn_q', 'attn_k', 'attn_v', 'attn_output'].flatMap((part) => biased(name(part), width, width)),
    ...layerNorm(name('attn_output_norm')),
    matrix(name('ffn_up'), 2 * ffn, width),
    ...biased(name('ffn_down'), width, ffn),
    ...layerNorm(name('layer_output_norm')),
  ]),
];

const modernTensors: readonly TensorPlan[] = [
  table('token_embd', vocabulary),
  gains('token_embd_norm'),
  ...layers(4, (name, layer) => [
    ...(layer > 0 ? [gains(name('attn_norm'))] : []),
    matrix(name('attn_qkv'), 3 * width, width),
    matrix(name('attn_output'), width, width),
    gains(name('ffn_norm')),
    matrix(name('ffn_up'), 2 * ffn, width),
    matrix(name('ffn_down'), width, ffn),
  ]),
  gains('output_norm'),
];
const modernKeys = keys(4, {
  ...LAYER_NORM,
  'attention.sliding_window': 8,
  'attention.sliding_window_pattern': 3,
  'rope.freq_base': 160000,
  'rope.freq_base_swa': 10000,
});
const modernConfig = config(4, {
  model_type: 'modernbert',
  // GGUF's gelu is the approximation by tanh
  hidden_activation: 'gelu_pytorch_tanh',
  classifier_activation: 'gelu_pytorch_tanh',
  local_attention: 8,
  norm_eps: 1e-5,
});

const classifier = (labels: number): TensorPlan[] => biased('cls.output', labels, width);

interface GatedSizes {
  readonly count: number;
  readonly kvHeads: number;
  readonly headSize: number;
}

/** Blocks of the Llama family. */
const gatedBlocks = (
  { count, kvHeads, headSize }: GatedSizes,
  more: (name: (part: string) => string) => TensorPlan[],
) =>
  layers(count, (name) => [
    gains(name('attn_norm')),
    matrix(name('attn_q'), heads * headSize, width),
    matrix(name('attn_k'), kvHeads * headSize, width),
    matrix(name('attn_v'), kvHeads * headSize, width),
    matrix(name('attn_output'), width, heads * headSize),
    gains(name('ffn_norm')),
    matrix(name('ffn_gate'), ffn, width),
    matrix(name('ffn_up'), ffn, width),
    matrix(name('ffn_down'), width, ffn),
    ...more(name),
  ]);

const llamaTensors: readonly TensorPlan[] = [
  table('token_embd', vocabulary),
  ...gatedBlocks({ count: 2, kvHeads: 2, headSize: 12 }, () => []),
  gains('output_norm'),
];
const qwen3Tensors: readonly TensorPlan[] = [
  table('token_embd', vocabulary),
  ...gatedBlocks({ count: 2, kvHeads: 2, headSize: 16 }, (name) => [
    gains(name('attn_q_norm'), 16),
    gains(name('attn_k_norm'), 16),
  ]),
  gains('output_norm'),
];
const gemmaTensors: readonly TensorPlan[] = [
  table('token_embd', vocabulary),
  ...gatedBlocks({ count: 7, kvHeads: 2, headSize: 16 }, (name) => [
    gains(name('attn_q_norm'), 16),
    gains(name('attn_k_norm'), 16),
    gains(name('post_attention_norm')),
    gains(name('post_ffw_norm')),
  ]),
  gains('output_norm'),
];
const lfm2Tensors: readonly TensorPlan[] = [
  table('token_embd', vocabulary),
  ...layers(4, (name, layer) => [
    gains(name('attn_norm')),
    ...(layer === 2
      ? [
          matrix(name('attn_q'), width, width),
          matrix(name('attn_k'), 24, width),
          matrix(name('attn_v'), 24, width),
          matrix(name('attn_output'), width, width),
          gains(name('attn_q_norm'), 12),
          gains(name('attn_k_norm'), 12),
        ]
      : [
          matrix(name('shortconv.in_proj'), 3 * width, width),
          matrix(name('shortconv.conv'), width, 3, 1),
          matrix(name('shortconv.out_proj'), width, width),
        ]),
    gains(name('ffn_norm')),
    matrix(name('ffn_gate'), ffn, width),
    matrix(name('ffn_up'), ffn, width),
    matrix(name('ffn_down'), width, ffn),
  ]),
  gains('token_embd_norm'),
];
const neoTensors: readonly TensorPlan[] = [
  table('token_embd', vocabulary),
  ...layers(2, (name) => [
    gains(name('attn_norm')),
    matrix(name('attn_qkv'), 3 * width, width),
    matrix(name('attn_output'), width, width),
    gains(name('ffn_norm')),
    matrix(name('ffn_up'), 2 * ffn, width),
    matrix(name('ffn_down'), width, ffn),
  ]),
  gains('enc.output_norm'),
];
const grouped = { num_key_value_heads: 2, rms_norm_eps: 1e-5, rope_theta: 10000 };

export const embedderPlans: readonly EmbedderPlan[] = [
  {
    name: 'bert',
    family: 'bert',
    metadata: keys(2, { ...LAYER_NORM, pooling_type: POOLING.mean }),
    tensors: bertTensors,
    config: bertConfig,
    className: 'BertModel',
    pooling: 'mean',
  },
  {
    name: 'bert-classifier',
    family: 'bert',
    metadata: keys(2, { ...LAYER_NORM, pooling_type: POOLING.rank }),
    tensors: [...bertTensors, ...biased('cls', width, width), ...classifier(1)],
    config: { ...bertConfig, num_labels: 1, id2label: { 0: 'score' } },
    className: 'BertForSequenceClassification',
    prefix: 'bert.',
  },
  {
    name: 'distilbert-classifier',
    family: 'bert',
    metadata: keys(2, { ...LAYER_NORM, pooling_type: POOLING.cls }),
    tensors: bertTensors.filter(({ name }) => name !== 'token_types.weight'),
    head: [...biased('cls', width, width), ...classifier(1)],
    config: {
      model_type: 'distilbert',
      vocab_size: vocabulary,
      dim: width,
      hidden_dim: ffn,
      n_layers: 2,
      n_heads: heads,
      max_position_embeddings: context,
      activation: 'gelu_new',
      num_labels: 1,
      id2label: { 0: 'score' },
    },
    className: 'DistilBertForSequenceClassification',
    prefix: 'distilbert.',
  },
  {
    name: 'nomic-bert',
    family: 'nomic-bert',
    metadata: keys(2, { ...LAYER_NORM, pooling_type: POOLING.mean, 'rope.freq_base': 1000 }),
    tensors: nomicTensors,
    config: config(2, {
      model_type: 'nomic_bert',
      layer_norm_eps: 1e-5,
      rope_parameters: { rope_type: 'default', rope_theta: 1000 },
    }),
    className: 'NomicBertModel',
    pooling: 'mean',
  },
  {
    name: 'nomic-bert-moe',
    family: 'nomic-bert-moe',
    metadata: keys(4, {
      ...LAYER_NORM,
      pooling_type: POOLING.mean,
      'rope.freq_base': 10000,
      expert_count: EXPERTS,
      expert_used_count: 2,
      moe_every_n_layers: 2,
    }),
    tensors: nomicMoeTensors,
  },
  {
    name: 'jina-bert-v2',
    family: 'jina-bert-v2',
    metadata: keys(2, { ...LAYER_NORM, pooling_type: POOLING.mean }),
    tensors: jinaTensors,
    config: config(2, {
      model_type: 'bert',
      position_embedding_type: 'alibi',
      feed_forward_type: 'geglu',
      layer_norm_eps: 1e-5,
    }),
    pooling: 'mean',
  },
  {
    name: 'modern-bert',
    family: 'modern-bert',
    metadata: { ...modernKeys, pooling_type: POOLING.cls },
    tensors: modernTensors,
    config: modernConfig,
    className: 'ModernBertModel',
    pooling: 'cls',
  },
  ...(['cls', 'mean'] as const).map(
    (pooling): EmbedderPlan => ({
      name: `modern-bert-classifier-${pooling}`,
      family: 'modern-bert',
      metadata: { ...modernKeys, pooling_type: POOLING.rank, 'classifier.pooling_type': POOLING[pooling] },
      tensors: [...modernTensors, matrix('cls', width, width), gains('cls.norm'), ...classifier(1)],
      config: { ...modernConfig, classifier_pooling: pooling, num_labels: 1, id2label: { 0: 'score' } },
      className: 'ModernBertForSequenceClassification',
      prefix: 'model.',
    }),
  ),
  {
    name: 'eurobert',
    family: 'eurobert',
    metadata: keys(2, {
      ...RMS,
      'attention.head_count_kv': 2,
      'attention.causal': false,
      'rope.freq_base': 10000,
      pooling_type: POOLING.mean,
    }),
    tensors: llamaTensors,
    config: config(2, { model_type: 'eurobert', ...grouped }),
    className: 'EuroBertModel',
    pooling: 'mean',
  },
  {
    name: 'neo-bert',
    family: 'neo-bert',
    metadata: keys(2, { ...RMS, 'attention.causal': false, 'rope.freq_base': 10000, pooling_type: POOLING.cls }),
    tensors: neoTensors,
  },
  {
    name: 'gemma-embedding',
    family: 'gemma-embedding',
    metadata: keys(7, {
      ...RMS,
      'attention.head_count_kv': 2,
      'attention.key_length': 16,
      'attention.value_length': 16,
      'attention.sliding_window': 8,
      'rope.freq_base': 1000000,
      'rope.freq_base_swa': 10000,
      pooling_type: POOLING.mean,
      dense_2_feat_in: width,
      dense_2_feat_out: 96,
      dense_3_feat_in: 96,
      dense_3_feat_out: width,
    }),
    tensors: gemmaTensors,
    dense: [matrix('dense_2', 96, width), matrix('dense_3', width, 96)],
    config: config(7, {
      model_type: 'gemma3_text',
      ...grouped,
      rope_theta: 1000000,
      rope_local_base_freq: 10000,
      head_dim: 16,
      sliding_window: 8,
      query_pre_attn_scalar: 16,
      use_bidirectional_attention: true,
      hidden_activation: 'gelu_pytorch_tanh',
    }),
    className: 'Gemma3TextModel',
    pooling: 'mean',
  },
  {
    name: 'llama-not-causal',
    family: 'llama',
    metadata: keys(2, {
      ...RMS,
      'attention.head_count_kv': 2,
      'attention.causal': false,
      'rope.freq_base': 10000,
      'rope.dimension_count': 12,
      pooling_type: POOLING.mean,
    }),
    tensors: llamaTensors,
    config: config(2, { model_type: 'llama', ...grouped, is_causal: false }),
    className: 'LlamaModel',
    pooling: 'mean',
  },
  {
    name: 'lfm2-not-causal',
    family: 'lfm2',
    metadata: keys(4, {
      ...RMS,
      'attention.head_count_kv': { type: 'i32[]', value: Int32Array.of(0, 0, 2, 0) },
      'attention.causal': false,
      'rope.freq_base': 10000,
      'shortconv.l_cache': 3,
      pooling_type: POOLING.mean,
    }),
    tensors: lfm2Tensors,
  },
  {
    name: 'qwen3-embedding',
    family: 'qwen3',
    metadata: keys(2, {
      ...RMS,
      'attention.head_count_kv': 2,
      'attention.key_length': 16,
      'attention.value_length': 16,
      'rope.freq_base': 10000,
      pooling_type: POOLING.last,
    }),
    tensors: qwen3Tensors,
    config: config(2, { model_type: 'qwen3', ...grouped, head_dim: 16 }),
    className: 'Qwen3Model',
    pooling: 'lasttoken',
  },
  {
    name: 'qwen3-reranker',
    family: 'qwen3',
    metadata: keys(2, {
      ...RMS,
      'attention.head_count_kv': 2,
      'attention.key_length': 16,
      'attention.value_length': 16,
      'rope.freq_base': 10000,
      pooling_type: POOLING.rank,
      'classifier.output_labels': { type: 'string[]', value: ['yes', 'no'] },
    }),
    tensors: [...qwen3Tensors, matrix('cls.output', 2, width)],
    config: config(2, { model_type: 'qwen3', ...grouped, head_dim: 16, num_labels: 2 }),
    className: 'Qwen3ForSequenceClassification',
    prefix: 'model.',
  },
];
