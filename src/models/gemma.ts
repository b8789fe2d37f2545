/** Gemma 1: Llama's shape with a scaled embedding and a gate of GELU. Gemma team 2024 (arXiv 2403.08295). */
import type { Architecture } from './architecture.ts';
import { tensorNames } from './folders/family.ts';
import { gemmaKeys } from './folders/gemmaKeys.ts';
import { activationOf } from './parts/activationOf.ts';
import { decoder } from './parts/decoder.ts';
import { rotary } from './parts/rotary.ts';

export const gemma: Architecture = {
  name: 'gemma',
  models: 'Gemma 1',
  folders: [
    {
      modelTypes: ['gemma'],
      defaults: {
        hidden_size: 3072,
        intermediate_size: 24576,
        num_hidden_layers: 28,
        num_attention_heads: 16,
        num_key_value_heads: 16,
        head_dim: 256,
        hidden_act: 'gelu_pytorch_tanh',
        max_position_embeddings: 8192,
        rms_norm_eps: 1e-6,
        tie_word_embeddings: true,
        rope_theta: 10000,
      },
      metadata: gemmaKeys,
      tensor: tensorNames({ plusOne: /norm\.weight$/ }),
    },
  ],
  build: decoder((model, { headSize, width }) => {
    const turned = rotary(model, headSize, { layout: 'half', tables: 'none' });
    return {
      attention: { rotary: () => turned, outputBias: model.fromFolder ? 'optional' : false },
      feedForward: { activation: activationOf(model, 'gelu'), gated: true },
      embeddingScale: Math.sqrt(width),
      tied: model.fromFolder ? 'optional' : true,
    };
  }),
};
