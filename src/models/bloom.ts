/** BLOOM: ALiBi, layer norms, a norm after the embedding. Le Scao et al. 2022 (arXiv 2211.05100). */
import type { Architecture } from './architecture.ts';
import { bloomKeys, bloomTensor } from './folders/bloomKeys.ts';
import { activationOf } from './parts/activationOf.ts';
import { decoder } from './parts/decoder.ts';

export const bloom: Architecture = {
  name: 'bloom',
  models: 'BLOOM, BLOOMZ',
  passesOver: ['attention.max_alibi_bias'],
  folders: [
    {
      modelTypes: ['bloom'],
      defaults: {
        bloom_activation: 'gelu_new',
        seq_length: 2048,
        hidden_size: 64,
        n_layer: 2,
        n_head: 8,
        layer_norm_epsilon: 1e-5,
        tie_word_embeddings: true,
      },
      metadata: bloomKeys,
      tensor: bloomTensor,
    },
  ],
  build: decoder((model) => ({
    norm: { kind: 'layer' },
    attention: { bias: true, outputBias: true, alibi: 8 },
    feedForward: { activation: activationOf(model, 'gelu'), gated: false, bias: true },
    embeddingNorm: { kind: 'layer' },
  })),
};
