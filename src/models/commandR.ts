/** Command R: both branches read one norm, logits are scaled. Cohere 2024. */
import type { Architecture } from './architecture.ts';
import { cohereKeys } from './folders/cohereKeys.ts';
import { tensorNames } from './folders/family.ts';
import { activationOf } from './parts/activationOf.ts';
import { decoder } from './parts/decoder.ts';
import { rotary } from './parts/rotary.ts';

export const commandR: Architecture = {
  name: 'command-r',
  models: 'Command R, R+',
  folders: [
    {
      modelTypes: ['cohere'],
      defaults: {
        hidden_size: 8192,
        intermediate_size: 22528,
        logit_scale: 0.0625,
        num_hidden_layers: 40,
        num_attention_heads: 64,
        hidden_act: 'silu',
        max_position_embeddings: 8192,
        layer_norm_eps: 1e-5,
        tie_word_embeddings: true,
        rope_theta: 500000,
      },
      metadata: cohereKeys,
      tensor: tensorNames({ block: { attn_q_norm: 'self_attn.q_norm', attn_k_norm: 'self_attn.k_norm' } }),
    },
  ],
  build: decoder((model, { headSize }) => {
    const turned = rotary(model, headSize, { layout: 'interleaved', folderLayout: 'interleaved', tables: 'none' });
    return {
      norm: { kind: 'layer', bias: false },
      parallel: true,
      feedForwardNorm: () => undefined,
      attention: {
        rotary: () => turned,
        headNorm: { over: 'eachHead', norm: { kind: 'layer', bias: false }, presence: 'optional' },
      },
      feedForward: { activation: activationOf(model, 'silu'), gated: true },
      tied: model.fromFolder ? 'optional' : true,
      logitScale: model.metadata.number('logit_scale', 0) || 1,
    };
  }),
};
