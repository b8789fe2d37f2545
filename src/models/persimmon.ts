/** Persimmon 8B: layer norms, also on heads, squared ReLU, partial rotary embedding. Adept 2023. */
import type { Architecture } from './architecture.ts';
import { persimmonKeys, persimmonTensor } from './folders/gptNeoxKeys.ts';
import { activationOf } from './parts/activationOf.ts';
import { decoder } from './parts/decoder.ts';
import { rotary } from './parts/rotary.ts';

export const persimmon: Architecture = {
  name: 'persimmon',
  models: 'Persimmon',
  foldersOnly: true,
  folders: [
    {
      modelTypes: ['persimmon'],
      defaults: {
        hidden_size: 4096,
        intermediate_size: 16384,
        num_hidden_layers: 36,
        num_attention_heads: 64,
        hidden_act: 'relu2',
        max_position_embeddings: 16384,
        layer_norm_eps: 1e-5,
        qk_layernorm: true,
        rope_theta: 10000,
        partial_rotary_factor: 0.5,
      },
      metadata: persimmonKeys,
      tensor: persimmonTensor,
    },
  ],
  build: decoder((model, { headSize }) => {
    const turned = rotary(model, headSize, { layout: 'half' });
    return {
      norm: { kind: 'layer' },
      attention: {
        rotary: () => turned,
        bias: true,
        outputBias: true,
        headNorm: { over: 'head', norm: { kind: 'layer' }, presence: 'optional' },
      },
      feedForward: { activation: activationOf(model, 'relu2'), gated: false, bias: true },
    };
  }),
};
