/** ERNIE 4.5 (dense): Llama's shape. Baidu 2025. */
import type { Architecture } from './architecture.ts';
import { biasKeys, decoderKeys, ropeKeys, tensorNames } from './folders/family.ts';
import { activationOf } from './parts/activationOf.ts';
import { decoder } from './parts/decoder.ts';
import { rotary } from './parts/rotary.ts';

export const ernie45: Architecture = {
  name: 'ernie4_5',
  models: 'ERNIE 4.5 (dense)',
  passesOverTensors: /\.attn_output\.bias$/,
  passesOver: ['expert_count', 'rope.dimension_sections'],
  folders: [
    {
      modelTypes: ['ernie4_5'],
      defaults: {
        hidden_size: 1024,
        intermediate_size: 3072,
        num_hidden_layers: 18,
        num_attention_heads: 16,
        num_key_value_heads: 2,
        hidden_act: 'silu',
        max_position_embeddings: 131072,
        rms_norm_eps: 1e-5,
        tie_word_embeddings: true,
        head_dim: 128,
        rope_theta: 500000,
      },
      metadata: (config) => {
        const keys = decoderKeys(config);
        const bias = config.flag('use_bias');
        return { ...keys, ...ropeKeys(config, keys), ...biasKeys(bias, bias, bias) };
      },
      tensor: tensorNames(),
    },
  ],
  build: decoder((model, { headSize }) => {
    const turned = rotary(model, headSize, { layout: 'interleaved', folderLayout: 'interleaved', tables: 'none' });
    return {
      attention: { rotary: () => turned, outputBias: false },
      feedForward: { activation: activationOf(model, 'silu'), gated: true },
    };
  }),
};
