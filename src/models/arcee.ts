/** Arcee AFM: Llama's shape with a feed-forward part of squared ReLU without a gate. */
import type { Architecture } from './architecture.ts';
import { tensorNames } from './folders/family.ts';
import { isInterleavedInGguf } from './folders/layout.ts';
import { llamaKeys } from './folders/llamaKeys.ts';
import { activationOf } from './parts/activationOf.ts';
import { decoder } from './parts/decoder.ts';
import { rotary } from './parts/rotary.ts';

export const arcee: Architecture = {
  name: 'arcee',
  models: 'Arcee AFM',
  folders: [
    {
      modelTypes: ['arcee'],
      defaults: {
        hidden_size: 2560,
        intermediate_size: 18432,
        num_hidden_layers: 32,
        num_attention_heads: 32,
        hidden_act: 'relu2',
        max_position_embeddings: 4096,
        rms_norm_eps: 1e-5,
        rope_theta: 10000,
      },
      metadata: llamaKeys,
      tensor: tensorNames(),
      isInterleavedInGguf,
    },
  ],
  build: decoder((model, { headSize }) => {
    const turned = rotary(model, headSize, { layout: 'interleaved' });
    return {
      attention: { rotary: () => turned },
      feedForward: { activation: activationOf(model, 'relu2'), gated: false },
    };
  }),
};
