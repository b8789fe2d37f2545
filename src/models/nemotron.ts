/** Nemotron 4 and Minitron: layer norms, partial rotary embedding, squared ReLU without a gate. Parmar et al. 2024 (arXiv 2402.16819). */
import type { Architecture } from './architecture.ts';
import { tensorNames } from './folders/family.ts';
import { nemotronKeys } from './folders/layerNormKeys.ts';
import { activationOf } from './parts/activationOf.ts';
import { decoder } from './parts/decoder.ts';
import { rotary } from './parts/rotary.ts';

export const nemotron: Architecture = {
  name: 'nemotron',
  models: 'Nemotron 4, Minitron',
  folders: [
    {
      modelTypes: ['nemotron'],
      defaults: {
        hidden_size: 6144,
        intermediate_size: 24576,
        num_hidden_layers: 32,
        num_attention_heads: 48,
        hidden_act: 'relu2',
        max_position_embeddings: 4096,
        norm_eps: 1e-5,
        rope_theta: 10000,
        partial_rotary_factor: 0.5,
      },
      metadata: nemotronKeys,
      tensor: tensorNames({ plusOne: /norm\.weight$/ }),
    },
  ],
  build: decoder((model, { headSize }) => {
    const turned = rotary(model, headSize, { layout: 'half', tables: 'none' });
    return {
      norm: { kind: 'layer' },
      attention: { rotary: () => turned },
      feedForward: { activation: activationOf(model, 'relu2'), gated: false, bias: 'optional' },
      tied: model.fromFolder ? 'optional' : false,
    };
  }),
};
