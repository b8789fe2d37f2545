/** Jais 2: layer norms, biases, squared ReLU without a gate. Inception 2025. */
import type { Architecture } from './architecture.ts';
import { tensorNames } from './folders/family.ts';
import { jais2Keys } from './folders/layerNormKeys.ts';
import { activationOf } from './parts/activationOf.ts';
import { decoder } from './parts/decoder.ts';
import { rotary } from './parts/rotary.ts';

export const jais2: Architecture = {
  name: 'jais2',
  models: 'Jais 2',
  folders: [
    {
      modelTypes: ['jais2'],
      defaults: {
        hidden_size: 3328,
        intermediate_size: 26624,
        num_hidden_layers: 32,
        num_attention_heads: 26,
        hidden_act: 'relu2',
        max_position_embeddings: 8192,
        attention_bias: true,
        mlp_bias: true,
        layer_norm_eps: 1e-5,
        rope_theta: 10000,
      },
      metadata: jais2Keys,
      tensor: tensorNames(),
    },
  ],
  build: decoder((model, { headSize }) => {
    const turned = rotary(model, headSize, { layout: 'half', tables: 'none' });
    return {
      norm: { kind: 'layer' },
      attention: { rotary: () => turned, outputBias: true },
      feedForward: { activation: activationOf(model, 'relu2'), gated: false, bias: true },
    };
  }),
};
