/** StarCoder 2: layer norms and biases, grouped heads. Lozhkov et al. 2024 (arXiv 2402.19173). */
import type { Architecture } from './architecture.ts';
import { tensorNames } from './folders/family.ts';
import { starcoder2Keys } from './folders/layerNormKeys.ts';
import { activationOf } from './parts/activationOf.ts';
import { decoder } from './parts/decoder.ts';
import { rotary } from './parts/rotary.ts';
import { windows } from './parts/windows.ts';

export const starcoder2: Architecture = {
  name: 'starcoder2',
  models: 'StarCoder 2',
  passesOver: ['attention.sliding_window'],
  folders: [
    {
      modelTypes: ['starcoder2'],
      defaults: {
        hidden_size: 3072,
        intermediate_size: 12288,
        num_hidden_layers: 30,
        num_attention_heads: 24,
        num_key_value_heads: 2,
        hidden_act: 'gelu_pytorch_tanh',
        max_position_embeddings: 4096,
        norm_epsilon: 1e-5,
        use_bias: true,
        tie_word_embeddings: true,
        rope_theta: 10000,
      },
      metadata: starcoder2Keys,
      tensor: tensorNames({ block: { ffn_up: 'mlp.c_fc', ffn_down: 'mlp.c_proj' } }),
    },
  ],
  build: decoder((model, dimensions) => {
    const turned = rotary(model, dimensions.headSize, { layout: 'half', tables: 'none' });
    return {
      norm: { kind: 'layer' },
      attention: {
        rotary: () => turned,
        outputBias: true,
        window: model.fromFolder ? windows(model, dimensions, { period: 0 }).of : undefined,
      },
      feedForward: { activation: activationOf(model, 'gelu'), gated: false, bias: true },
    };
  }),
};
