/** Jina BERT 2: BERT with ALiBi instead of positions and a gated feed-forward part. Günther et al. 2023 (arXiv 2310.19923). */
import type { Architecture } from './architecture.ts';
import { encoderNames } from './folders/encoderNames.ts';
import { MOST_HEADS, MOST_LAYERS } from './limits.ts';
import { activationOf } from './parts/activationOf.ts';
import { encoder } from './parts/encoder.ts';

const MOST_ALIBI_BIAS = 8;
const ACTIVATIONS: Readonly<Record<string, string>> = { geglu: 'geluErf', reglu: 'relu' };

export const jinaBertV2: Architecture = {
  name: 'jina-bert-v2',
  models: 'Jina Embeddings 2',
  folders: [
    {
      modelTypes: ['bert'],
      accepts: ({ position_embedding_type: positions }) => positions === 'alibi',
      defaults: { layer_norm_eps: 1e-12, feed_forward_type: 'original', vocab_size: 30528 },
      metadata: (config) => {
        const kind = config.text('feed_forward_type') ?? '';
        const activation = Object.hasOwn(ACTIVATIONS, kind) ? ACTIVATIONS[kind] : undefined;
        if (!activation) throw config.unsupported('feed_forward_type', kind, Object.keys(ACTIVATIONS));
        // read, as they say the same again
        for (const field of ['position_embedding_type', 'hidden_act', 'emb_pooler', 'attn_implementation'])
          config.value(field);
        return {
          block_count: config.count('num_hidden_layers', MOST_LAYERS),
          embedding_length: config.count('hidden_size'),
          feed_forward_length: config.count('intermediate_size'),
          context_length: config.count('max_position_embeddings'),
          'attention.head_count': config.count('num_attention_heads', MOST_HEADS),
          'attention.layer_norm_epsilon': config.number('layer_norm_eps'),
          'feed_forward.activation': activation,
          vocab_size: config.number('vocab_size'),
        };
      },
      tensor: encoderNames({
        blocks: ['encoder.layer'],
        block: {
          attn_q: ['attention.self.query'],
          attn_k: ['attention.self.key'],
          attn_v: ['attention.self.value'],
          attn_q_norm: ['attention.self.layer_norm_q'],
          attn_k_norm: ['attention.self.layer_norm_k'],
          attn_output: ['attention.output.dense'],
          attn_output_norm: ['attention.output.LayerNorm', 'layer_norm_1'],
          ffn_up: ['mlp.gated_layers', 'mlp.up_gated_layer'],
          ffn_down: ['mlp.wo', 'mlp.down_layer'],
          layer_output_norm: ['mlp.layernorm', 'layer_norm_2'],
        },
        ends: {
          token_embd: ['embeddings.word_embeddings'],
          token_types: ['embeddings.token_type_embeddings'],
          token_embd_norm: ['embeddings.LayerNorm'],
        },
      }),
    },
  ],
  passesOverTensors: /(^|\.)(pooler\.|position_ids|cls\.predictions)/,
  build: (model) =>
    encoder(model, {
      attention: {
        alibi: MOST_ALIBI_BIAS,
        headNorm: { over: 'all', norm: { kind: 'layer' }, presence: 'optional' },
      },
      feedForward: { activation: activationOf(model, 'gelu'), gated: true, bias: 'optional' },
    }),
};
