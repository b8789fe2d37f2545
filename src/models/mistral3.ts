/** Ministral 3: Llama's shape; queries grow with the logarithm of their position. Mistral AI 2025. */
import type { Architecture } from './architecture.ts';
import { tensorNames } from './folders/family.ts';
import { isInterleavedInGguf } from './folders/layout.ts';
import { ministral3Keys } from './folders/llamaKeys.ts';
import { activationOf } from './parts/activationOf.ts';
import { decoder } from './parts/decoder.ts';
import { readExperts } from './parts/experts.ts';
import { originalContext } from './parts/ropeScaling.ts';
import { rotary } from './parts/rotary.ts';
import { windows } from './parts/windows.ts';

export const mistral3: Architecture = {
  name: 'mistral3',
  models: 'Ministral 3',
  folders: [
    {
      modelTypes: ['ministral3'],
      defaults: {
        hidden_size: 4096,
        intermediate_size: 14336,
        num_hidden_layers: 34,
        num_attention_heads: 32,
        num_key_value_heads: 8,
        head_dim: 128,
        hidden_act: 'silu',
        max_position_embeddings: 262144,
        rms_norm_eps: 1e-5,
        rope_parameters: {
          rope_theta: 1000000,
          factor: 16,
          original_max_position_embeddings: 16384,
          max_position_embeddings: 262144,
          beta_fast: 32,
          beta_slow: 1,
          mscale_all_dim: 1,
          mscale: 1,
          llama_4_scaling_beta: 0.1,
          rope_type: 'yarn',
        },
        rope_theta: 1000000,
      },
      metadata: ministral3Keys,
      tensor: tensorNames(),
      isInterleavedInGguf,
    },
  ],
  build: decoder((model, dimensions) => {
    const { metadata } = model;
    const { headSize } = dimensions;
    const turned = rotary(model, headSize, { layout: 'interleaved', tables: 'both', yarnKeys: true });
    const scale = metadata.number('attention.temperature_scale', 0);
    return {
      attention: {
        rotary: () => turned,
        window: model.fromFolder ? windows(model, dimensions, { period: 0 }).of : undefined,
        ...(scale === 0 ? {} : { temperature: { scale, length: originalContext(metadata) } }),
      },
      feedForward: { scaled: true, activation: activationOf(model, 'silu'), gated: true, bias: 'optional' },
      experts: readExperts(model, {
        scaled: true,
        gating: 'softmax',
        normalize: true,
        width: dimensions.ffn[0],
      }),
    };
  }),
};
