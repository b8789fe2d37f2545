/** Falcon: both branches are added together; one norm, or one for each. Almazrouei et al. 2023 (arXiv 2311.16867). */
import type { Architecture } from './architecture.ts';
import { falconKeys, falconTensor } from './folders/falconKeys.ts';
import { activationOf } from './parts/activationOf.ts';
import { decoder } from './parts/decoder.ts';
import { rotary } from './parts/rotary.ts';

export const falcon: Architecture = {
  name: 'falcon',
  models: 'Falcon 7B, 40B, 180B, 1B',
  folders: [
    {
      modelTypes: ['falcon'],
      defaults: {
        hidden_size: 4544,
        num_hidden_layers: 32,
        num_attention_heads: 71,
        layer_norm_epsilon: 1e-5,
        multi_query: true,
        parallel_attn: true,
        max_position_embeddings: 2048,
        activation: 'gelu',
        tie_word_embeddings: true,
        rope_theta: 10000,
      },
      metadata: falconKeys,
      tensor: falconTensor,
    },
  ],
  build: decoder((model, { headSize }) => {
    const { metadata } = model;
    const turned = rotary(model, headSize, { layout: 'half', tables: 'none' });
    // all GGUF files of this architecture have parallel branches
    const parallel = model.fromFolder ? metadata.flag('use_parallel_residual', true) : true;
    const two = model.has('blk.0.attn_norm_2.weight');
    return {
      norm: { kind: 'layer' },
      parallel,
      attentionNorm: () => (two ? 'attn_norm_2' : 'attn_norm'),
      feedForwardNorm: () => (two ? 'attn_norm' : parallel ? undefined : 'ffn_norm'),
      attention: {
        rotary: () => turned,
        bias: false,
        outputBias: false,
      },
      feedForward: { activation: activationOf(model, 'gelu'), gated: false },
    };
  }),
};
