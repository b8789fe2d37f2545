/** BERT (Devlin et al. 2019) and embedders based on it: MiniLM, E5, BGE, GTE, mxbai, arctic; XLM-RoBERTa. */
import type { ActivationKind } from '../graph/ops/activation.ts';
import type { Architecture } from './architecture.ts';
import { activationKind } from './folders/activations.ts';
import type { Fields, FolderConfig } from './folders/config.ts';
import { encoderNames } from './folders/encoderNames.ts';
import { MOST_HEADS, MOST_LAYERS } from './limits.ts';
import { activationOf } from './parts/activationOf.ts';
import { encoder } from './parts/encoder.ts';

/** @param cls names of the classifier's dense layer; the first of them that a folder has is read */
const names = (cls: readonly string[]) =>
  encoderNames({
    blocks: ['encoder.layer'],
    block: {
      attn_q: ['attention.self.query'],
      attn_k: ['attention.self.key'],
      attn_v: ['attention.self.value'],
      attn_output: ['attention.output.dense'],
      attn_output_norm: ['attention.output.LayerNorm'],
      ffn_up: ['intermediate.dense'],
      ffn_down: ['output.dense'],
      layer_output_norm: ['output.LayerNorm'],
    },
    ends: {
      token_embd: ['embeddings.word_embeddings'],
      token_types: ['embeddings.token_type_embeddings'],
      position_embd: ['embeddings.position_embeddings'],
      token_embd_norm: ['embeddings.LayerNorm'],
      cls,
      'cls.output': ['classifier', 'classifier.out_proj'],
    },
  });

/** BERT classifies what its pooler returns; RoBERTa's classes have a dense layer of their own, beside an unused pooler. */
const bertTensor = names(['pooler.dense']);
const robertaTensor = names(['classifier.dense']);

const distilTensor = encoderNames({
  blocks: ['transformer.layer'],
  block: {
    attn_q: ['attention.q_lin'],
    attn_k: ['attention.k_lin'],
    attn_v: ['attention.v_lin'],
    attn_output: ['attention.out_lin'],
    attn_output_norm: ['sa_layer_norm'],
    ffn_up: ['ffn.lin1'],
    ffn_down: ['ffn.lin2'],
    layer_output_norm: ['output_layer_norm'],
  },
  ends: {
    token_embd: ['embeddings.word_embeddings'],
    position_embd: ['embeddings.position_embeddings'],
    token_embd_norm: ['embeddings.LayerNorm'],
    cls: ['pre_classifier'],
    'cls.output': ['classifier'],
  },
});

const DEFAULTS = {
  vocab_size: 30522,
  hidden_size: 768,
  num_hidden_layers: 12,
  num_attention_heads: 12,
  intermediate_size: 3072,
  hidden_act: 'gelu',
  max_position_embeddings: 512,
  layer_norm_eps: 1e-12,
};

/** @param shift number of unused rows at the start of the position table */
function keysOf(shift: number): (config: FolderConfig) => Fields {
  return (config) => ({
    block_count: config.count('num_hidden_layers', MOST_LAYERS),
    embedding_length: config.count('hidden_size'),
    feed_forward_length: config.count('intermediate_size'),
    context_length: config.count('max_position_embeddings') - shift,
    'attention.head_count': config.count('num_attention_heads', MOST_HEADS),
    'attention.layer_norm_epsilon': config.number('layer_norm_eps'),
    'attention.causal': config.flag('is_decoder'),
    'feed_forward.activation': activationKind(config, 'hidden_act'),
    position_shift: shift,
    vocab_size: config.number('vocab_size'),
  });
}

/** DistilBERT: no token types, and another activation in its classifier. Sanh et al. 2019 (arXiv 1910.01108). */
const distilKeys = (config: FolderConfig): Fields => ({
  block_count: config.count('n_layers', MOST_LAYERS),
  embedding_length: config.count('dim'),
  feed_forward_length: config.count('hidden_dim'),
  context_length: config.count('max_position_embeddings'),
  'attention.head_count': config.count('n_heads', MOST_HEADS),
  'attention.layer_norm_epsilon': 1e-12,
  'feed_forward.activation': activationKind(config, 'activation'),
  'classifier.activation': 'relu',
  vocab_size: config.number('vocab_size'),
});

export const bert: Architecture = {
  name: 'bert',
  models: 'BERT, DistilBERT, RoBERTa and XLM-RoBERTa embedders and rerankers: MiniLM, E5, BGE, mxbai, arctic',
  folders: [
    { modelTypes: ['bert'], defaults: DEFAULTS, metadata: keysOf(0), tensor: bertTensor },
    {
      modelTypes: ['roberta', 'xlm-roberta', 'camembert'],
      defaults: { ...DEFAULTS, vocab_size: 50265, max_position_embeddings: 514, layer_norm_eps: 1e-5 },
      metadata: keysOf(2),
      tensor: robertaTensor,
    },
    {
      modelTypes: ['distilbert'],
      defaults: {
        vocab_size: 30522,
        max_position_embeddings: 512,
        n_layers: 6,
        n_heads: 12,
        dim: 768,
        hidden_dim: 3072,
        activation: 'gelu',
      },
      metadata: distilKeys,
      tensor: distilTensor,
    },
  ],
  passesOverTensors: /(^|\.)(pooler\.|position_ids|cls\.predictions|cls\.seq_relationship|lm_head\.|vocab_)/,
  build: (model) =>
    encoder(model, {
      attention: {},
      feedForward: { activation: activationOf(model, 'gelu'), gated: false, bias: 'optional' },
      classifierActivation: model.metadata.text('classifier.activation', 'tanh') as ActivationKind,
      positions: model.metadata.count('position_shift', 0, 0) > 0 ? 'shifted' : 'learned',
    }),
};
