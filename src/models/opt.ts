/** OPT: GPT-2's shape with ReLU. Zhang et al. 2022 (arXiv 2205.01068). */
import type { Architecture } from './architecture.ts';
import { optKeys, optTensor } from './folders/optKeys.ts';
import { activationOf } from './parts/activationOf.ts';
import { decoder } from './parts/decoder.ts';

export const opt: Architecture = {
  name: 'opt',
  models: 'OPT',
  foldersOnly: true,
  folders: [
    {
      modelTypes: ['opt'],
      defaults: {
        layer_norm_eps: 0.00001,
        hidden_size: 768,
        num_hidden_layers: 12,
        ffn_dim: 3072,
        max_position_embeddings: 2048,
        do_layer_norm_before: true,
        num_attention_heads: 12,
        activation_function: 'relu',
        enable_bias: true,
        layer_norm_elementwise_affine: true,
        tie_word_embeddings: true,
      },
      metadata: optKeys,
      tensor: optTensor,
    },
  ],
  build: decoder((model) => ({
    norm: { kind: 'layer' },
    attention: {},
    feedForward: { activation: activationOf(model, 'relu'), gated: false },
    learnedPositions: true,
  })),
};
