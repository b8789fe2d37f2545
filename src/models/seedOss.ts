/** Seed-OSS: Llama's shape with biases on queries, keys and values. ByteDance 2025. */
import type { Architecture } from './architecture.ts';
import { biasKeys, decoderKeys, ropeKeys, tensorNames } from './folders/family.ts';
import { activationOf } from './parts/activationOf.ts';
import { decoder } from './parts/decoder.ts';
import { rotary } from './parts/rotary.ts';

export const seedOss: Architecture = {
  name: 'seed_oss',
  models: 'Seed-OSS',
  folders: [
    {
      modelTypes: ['seed_oss'],
      defaults: {
        hidden_size: 4096,
        intermediate_size: 27648,
        num_hidden_layers: 64,
        num_attention_heads: 80,
        num_key_value_heads: 8,
        hidden_act: 'silu',
        max_position_embeddings: 524288,
        rms_norm_eps: 1e-6,
        attention_bias: true,
        head_dim: 128,
        rope_theta: 10000,
      },
      metadata: (config) => {
        const keys = decoderKeys(config);
        const biases = biasKeys(
          config.flag('attention_bias'),
          config.flag('attention_out_bias'),
          config.flag('mlp_bias'),
        );
        return { ...keys, ...ropeKeys(config, keys), ...biases };
      },
      tensor: tensorNames({ block: { post_attention_norm: 'post_attention_layernorm' } }),
    },
  ],
  build: decoder((model, { headSize }) => {
    const turned = rotary(model, headSize, { layout: 'half', tables: 'none' });
    return {
      attention: { rotary: () => turned },
      feedForward: { activation: activationOf(model, 'silu'), gated: true },
      feedForwardNorm: () => 'post_attention_norm',
    };
  }),
};
