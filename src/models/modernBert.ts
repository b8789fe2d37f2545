/** ModernBERT: pre-norm encoder with rotary positions; two local layers to a global one. Warner et al. 2024 (arXiv 2412.13663). */
import type { ActivationKind } from '../graph/ops/activation.ts';
import type { Architecture } from './architecture.ts';
import { activationKind } from './folders/activations.ts';
import type { Fields, FolderConfig } from './folders/config.ts';
import { encoderNames } from './folders/encoderNames.ts';
import { ropeKeysOf } from './folders/family.ts';
import { ropeByLayerType } from './folders/ropeScaling.ts';
import { MOST_HEADS, MOST_LAYERS } from './limits.ts';
import { activationOf } from './parts/activationOf.ts';
import { neverCausal } from './parts/attention.ts';
import type { Classifier } from './parts/classifier.ts';
import { decoder } from './parts/decoder.ts';
import type { Norm } from './parts/norms.ts';
import { rotary } from './parts/rotary.ts';
import { symmetric, windows } from './parts/windows.ts';

/** Pooling types of `classifier.pooling_type`. */
const POOLED_BY_MEAN = 1;

export const modernBert: Architecture = {
  name: 'modern-bert',
  models: 'ModernBERT: GTE, Nomic and Granite embedders and rerankers',
  folders: [
    {
      modelTypes: ['modernbert'],
      defaults: {
        vocab_size: 50368,
        hidden_size: 768,
        intermediate_size: 1152,
        num_hidden_layers: 22,
        num_attention_heads: 12,
        hidden_activation: 'gelu',
        max_position_embeddings: 8192,
        norm_eps: 1e-5,
        local_attention: 128,
        global_attn_every_n_layers: 3,
        classifier_pooling: 'cls',
        classifier_activation: 'gelu',
      },
      metadata: keys,
      tensor: encoderNames({
        blocks: ['layers'],
        block: {
          attn_norm: ['attn_norm'],
          attn_qkv: ['attn.Wqkv'],
          attn_output: ['attn.Wo'],
          ffn_norm: ['mlp_norm'],
          ffn_up: ['mlp.Wi'],
          ffn_down: ['mlp.Wo'],
        },
        ends: {
          token_embd: ['embeddings.tok_embeddings'],
          token_embd_norm: ['embeddings.norm'],
          output_norm: ['final_norm'],
          cls: ['head.dense'],
          'cls.norm': ['head.norm'],
          'cls.output': ['classifier'],
        },
      }),
    },
  ],
  // of the masked language model
  passesOverTensors: /^(head\.|decoder\.)/,
  build: decoder((model, dimensions) => {
    const { metadata } = model;
    const bias = model.fromFolder ? metadata.flag('norm.bias', false) : false;
    const norm: Norm = { kind: 'layer', bias };
    const window = windows(model, dimensions, { period: 3, globalFirst: true });
    const [global, local] = [false, true].map((isLocal) =>
      rotary(model, dimensions.headSize, { layout: 'half', tables: 'none', local: isLocal }),
    );
    const stated = metadata.text('hidden_activation', 'gelu');
    const classifier: Classifier = {
      activation: metadata.text('classifier.activation', 'gelu') as ActivationKind,
      norm: model.has('cls.norm.weight') ? norm : undefined,
      readsMean: metadata.count('classifier.pooling_type', POOLED_BY_MEAN, 0) === POOLED_BY_MEAN,
    };
    return {
      norm,
      embeddingNorm: norm,
      attentionNorm: (layer) => (layer === 0 && !model.has('blk.0.attn_norm.weight') ? undefined : 'attn_norm'),
      attention: {
        causal: neverCausal(model),
        rotary: (layer) => (window.isLocal(layer) ? local : global),
        window: (layer) => symmetric(window.of(layer)),
      },
      feedForward: { activation: activationOf(model, stated === 'silu' ? 'silu' : 'gelu'), gated: true },
      classifier,
    };
  }),
};

function keys(config: FolderConfig): Fields {
  const [layers, width, heads] = [
    config.count('num_hidden_layers', MOST_LAYERS),
    config.count('hidden_size'),
    config.count('num_attention_heads', MOST_HEADS),
  ];
  const headSize = width / heads;
  const period = config.number('global_attn_every_n_layers') ?? 3;
  const types = config.list('layer_types');
  const local = Array.from({ length: layers }, (_, layer) =>
    types ? types[layer] === 'sliding_attention' : layer % period !== 0,
  );
  // of the masked language model, and unused
  for (const field of ['decoder_bias', 'layer_norm_eps']) config.value(field);
  // older configs have two fields
  const [globalBase, localBase] = [config.number('global_rope_theta'), config.number('local_rope_theta')];
  const global = ropeByLayerType(config, 'full_attention', { headSize, base: globalBase ?? 160_000 });
  const own = ropeByLayerType(config, 'sliding_attention', { headSize, base: localBase ?? 10_000 });
  const pooling = config.text('classifier_pooling');
  if (pooling !== 'cls' && pooling !== 'mean') throw config.unsupported('classifier_pooling', pooling, ['cls', 'mean']);
  return {
    block_count: layers,
    embedding_length: width,
    feed_forward_length: config.count('intermediate_size'),
    context_length: config.count('max_position_embeddings'),
    'attention.head_count': heads,
    'attention.layer_norm_epsilon': config.number('norm_eps'),
    'attention.bias': config.flag('attention_bias'),
    'attention.output_bias': config.flag('attention_bias'),
    'feed_forward.bias': config.flag('mlp_bias'),
    'norm.bias': config.flag('norm_bias'),
    'feed_forward.activation': activationKind(config, 'hidden_activation'),
    'classifier.activation': activationKind(config, 'classifier_activation'),
    'classifier.pooling_type': pooling === 'mean' ? POOLED_BY_MEAN : 2,
    'attention.sliding_window': config.count('local_attention'),
    'attention.sliding_window_pattern': local.map(Number),
    ...ropeKeysOf(global, headSize),
    'rope.freq_base_swa': own.base,
    ...(own.scaling ? { 'rope.local_scaling': own.scaling } : {}),
    vocab_size: config.number('vocab_size'),
  };
}
