/** StarCoder 1, SantaCoder: GPT-2's shape with one key head. Li et al. 2023 (arXiv 2305.06161). */
import type { Architecture } from './architecture.ts';
import { gptBigcodeKeys, gptBigcodeTensor } from './folders/gpt2Keys.ts';
import { activationOf } from './parts/activationOf.ts';
import { decoder } from './parts/decoder.ts';

export const starcoder: Architecture = {
  name: 'starcoder',
  models: 'StarCoder 1, SantaCoder',
  folders: [
    {
      modelTypes: ['gpt_bigcode'],
      defaults: {
        n_positions: 1024,
        n_embd: 768,
        n_layer: 12,
        n_head: 12,
        activation_function: 'gelu_pytorch_tanh',
        layer_norm_epsilon: 1e-5,
        scale_attn_weights: true,
        multi_query: true,
        tie_word_embeddings: true,
      },
      metadata: gptBigcodeKeys,
      tensor: gptBigcodeTensor,
    },
  ],
  build: decoder((model) => ({
    norm: { kind: 'layer' },
    attention: { bias: true, outputBias: true },
    feedForward: { activation: activationOf(model, 'gelu'), gated: false, bias: true },
    learnedPositions: true,
  })),
};
