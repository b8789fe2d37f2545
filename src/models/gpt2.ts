/** GPT-2. Radford et al. 2019. */
import type { Architecture } from './architecture.ts';
import { gpt2Keys, gpt2Tensor } from './folders/gpt2Keys.ts';
import { activationOf } from './parts/activationOf.ts';
import { decoder } from './parts/decoder.ts';
import { weightOf, withBias } from './parts/fresh.ts';

export const gpt2: Architecture = {
  name: 'gpt2',
  models: 'GPT-2',
  folders: [
    {
      modelTypes: ['gpt2'],
      defaults: {
        n_positions: 1024,
        n_embd: 768,
        n_layer: 12,
        n_head: 12,
        activation_function: 'gelu_new',
        layer_norm_epsilon: 1e-5,
        scale_attn_weights: true,
        tie_word_embeddings: true,
      },
      metadata: gpt2Keys,
      tensor: gpt2Tensor,
    },
  ],
  fresh: {
    metadata: ({ normEpsilon }) => ({ 'attention.layer_norm_epsilon': normEpsilon }),
    ends: ['token_embd', 'position_embd'].map(weightOf).concat(withBias('output_norm')),
    // llama.cpp requires all biases
    block: ['attn_norm', 'attn_qkv', 'attn_output', 'ffn_norm', 'ffn_up', 'ffn_down'].flatMap(withBias),
    biasesAreOpen: true,
  },
  build: decoder((model, { headSize }) => {
    const { metadata } = model;
    // GPT-2's flags, which only a config.json has
    const whole = metadata.flag('attention.unscaled', false) ? 1 : 1 / Math.sqrt(headSize);
    const byLayer = metadata.flag('attention.scale_by_layer', false);
    return {
      norm: { kind: 'layer', bias: 'optional' },
      attention: { scale: (layer) => (byLayer ? whole / (layer + 1) : whole) },
      feedForward: { activation: activationOf(model, 'gelu'), gated: false, bias: 'optional' },
      learnedPositions: true,
    };
  }),
};
