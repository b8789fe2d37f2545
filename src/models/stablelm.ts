/** StableLM 3B, 2 and Zephyr: layer norms, partial rotary embedding, optionally one norm for both branches. Stability AI 2023. */
import type { Architecture } from './architecture.ts';
import { stablelmKeys, stablelmTensor } from './folders/layerNormKeys.ts';
import { activationOf } from './parts/activationOf.ts';
import { decoder } from './parts/decoder.ts';
import { rotary } from './parts/rotary.ts';

export const stablelm: Architecture = {
  name: 'stablelm',
  models: 'StableLM 3B, 2',
  folders: [
    {
      modelTypes: ['stablelm'],
      defaults: {
        intermediate_size: 6912,
        hidden_size: 2560,
        num_hidden_layers: 32,
        num_attention_heads: 32,
        num_key_value_heads: 32,
        hidden_act: 'silu',
        max_position_embeddings: 4096,
        layer_norm_eps: 1e-5,
        rope_theta: 10000,
        partial_rotary_factor: 0.25,
      },
      metadata: stablelmKeys,
      tensor: stablelmTensor,
    },
  ],
  build: decoder((model, { headSize }) => {
    const turned = rotary(model, headSize, { layout: 'half', tables: 'none' });
    const parallel = !model.has('blk.0.ffn_norm.weight');
    return {
      norm: { kind: 'layer', bias: 'optional' },
      parallel,
      feedForwardNorm: () => (parallel ? undefined : 'ffn_norm'),
      attention: {
        rotary: () => turned,
        outputBias: false,
        headNorm: { over: 'eachHead', norm: { kind: 'layer', bias: false }, presence: 'optional' },
      },
      feedForward: { activation: activationOf(model, 'silu'), gated: true },
      tied: model.fromFolder ? 'optional' : false,
    };
  }),
};
