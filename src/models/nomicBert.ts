/** Nomic BERT: BERT with rotary positions and a gated feed-forward part. Nussbaum et al. 2024 (arXiv 2402.01613). */
import type { Architecture } from './architecture.ts';
import { activationKind } from './folders/activations.ts';
import type { Fields, FolderConfig } from './folders/config.ts';
import { encoderNames } from './folders/encoderNames.ts';
import { ropeKeysOf } from './folders/family.ts';
import { ropeOf } from './folders/ropeScaling.ts';
import { MOST_HEADS, MOST_LAYERS } from './limits.ts';
import { activationOf } from './parts/activationOf.ts';
import { headSizeOf } from './parts/dimensions.ts';
import { encoder } from './parts/encoder.ts';
import { readExperts } from './parts/experts.ts';
import { rotary } from './parts/rotary.ts';

export const nomicBert: Architecture = {
  name: 'nomic-bert',
  models: 'Nomic Embed Text 1, 1.5',
  folders: [
    {
      modelTypes: ['nomic_bert'],
      defaults: {
        vocab_size: 30528,
        hidden_size: 768,
        num_hidden_layers: 12,
        num_attention_heads: 12,
        intermediate_size: 3072,
        hidden_act: 'silu',
        max_position_embeddings: 2048,
        layer_norm_eps: 1e-12,
      },
      metadata: (config) => (config.says('n_embd') ? ownKeys(config) : keys(config)),
      tensor: encoderNames({
        blocks: ['layers', 'encoder.layers'],
        block: {
          attn_q: ['self_attn.q_proj'],
          attn_k: ['self_attn.k_proj'],
          attn_v: ['self_attn.v_proj'],
          attn_qkv: ['attn.Wqkv'],
          attn_output: ['self_attn.o_proj', 'attn.out_proj'],
          attn_output_norm: ['post_attention_layernorm', 'norm1'],
          ffn_up: ['mlp.up_proj', 'mlp.fc11'],
          ffn_gate: ['mlp.gate_proj', 'mlp.fc12'],
          ffn_down: ['mlp.down_proj', 'mlp.fc2'],
          layer_output_norm: ['post_mlp_layernorm', 'norm2'],
        },
        ends: {
          token_embd: ['embeddings.word_embeddings'],
          token_types: ['embeddings.token_type_embeddings'],
          token_embd_norm: ['embeddings.LayerNorm', 'emb_ln'],
        },
      }),
    },
  ],
  passesOverTensors: /(^|\.)(pooler\.|position_ids|cls\.predictions|lm_head\.)/,
  build: (model) => {
    const turned = rotary(model, headSizeOf(model), { layout: 'half', tables: 'none' });
    encoder(model, {
      attention: { rotary: () => turned },
      feedForward: { activation: activationOf(model, 'silu'), gated: true, bias: 'optional' },
    });
  },
};

/** Nomic Embed Text 2: experts in every second layer, plain feed-forward parts in the others. Nussbaum, Duderstadt 2025 (arXiv 2502.07972). */
export const nomicBertMoe: Architecture = {
  name: 'nomic-bert-moe',
  models: 'Nomic Embed Text 2',
  build: (model) => {
    const turned = rotary(model, headSizeOf(model), { layout: 'half', tables: 'none' });
    const ffn = model.metadata.count('feed_forward_length');
    // layers with a router have experts, which are those that the key counts
    model.metadata.count('moe_every_n_layers', 0, 0);
    encoder(model, {
      attention: { rotary: () => turned },
      feedForward: { activation: 'gelu', gated: false, bias: 'optional' },
      experts: readExperts(model, { activation: 'gelu', gating: 'softmax', normalize: false, width: ffn }),
    });
  },
};

function keys(config: FolderConfig): Fields {
  const [width, heads] = [config.count('hidden_size'), config.count('num_attention_heads', MOST_HEADS)];
  const headSize = config.number('head_dim') ?? width / heads;
  return {
    block_count: config.count('num_hidden_layers', MOST_LAYERS),
    embedding_length: width,
    feed_forward_length: config.count('intermediate_size'),
    context_length: config.count('max_position_embeddings'),
    'attention.head_count': heads,
    'attention.key_length': headSize,
    'attention.layer_norm_epsilon': config.number('layer_norm_eps'),
    'feed_forward.activation': activationKind(config, 'hidden_act'),
    ...ropeKeysOf(ropeOf(config, { headSize, base: 1000 }), headSize),
    vocab_size: config.number('vocab_size'),
  };
}

/** Keys of the config that the models were published with, for code of their own. */
function ownKeys(config: FolderConfig): Fields {
  const [width, heads] = [config.count('n_embd'), config.count('n_head', MOST_HEADS)];
  for (const [field, expected] of [
    ['activation_function', 'swiglu'],
    ['causal', false],
    ['moe_every_n_layers', 0],
    ['prenorm', false],
    ['rotary_emb_fraction', 1],
    ['rotary_emb_interleaved', false],
    ['rotary_emb_scale_base', undefined],
    ['parallel_block', false],
    ['use_rms_norm', false],
  ] as const) {
    const found = config.value(field);
    if (found !== undefined && found !== expected) throw config.unsupported(field, found, [String(expected)]);
  }
  return {
    block_count: config.count('n_layer', MOST_LAYERS),
    embedding_length: width,
    feed_forward_length: config.number('n_inner') ?? 4 * width,
    // stated for a context that was stretched beyond what the model was trained with
    context_length: Math.min(config.count('n_positions'), config.number('max_trained_positions') ?? 2048),
    'attention.head_count': heads,
    'attention.layer_norm_epsilon': config.number('layer_norm_epsilon'),
    'feed_forward.activation': 'silu',
    'rope.freq_base': config.number('rotary_emb_base'),
    vocab_size: config.number('vocab_size'),
  };
}
