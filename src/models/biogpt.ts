/** BioGPT: GPT-2's shape with a scaled embedding. Luo et al. 2022. */
import type { Architecture } from './architecture.ts';
import { biogptKeys, biogptTensor } from './folders/optKeys.ts';
import { activationOf } from './parts/activationOf.ts';
import { decoder } from './parts/decoder.ts';

export const biogpt: Architecture = {
  name: 'biogpt',
  models: 'BioGPT',
  foldersOnly: true,
  folders: [
    {
      modelTypes: ['biogpt'],
      defaults: {
        hidden_size: 1024,
        num_hidden_layers: 24,
        num_attention_heads: 16,
        intermediate_size: 4096,
        hidden_act: 'gelu',
        max_position_embeddings: 1024,
        layer_norm_eps: 1e-12,
        scale_embedding: true,
        tie_word_embeddings: true,
      },
      metadata: biogptKeys,
      tensor: biogptTensor,
    },
  ],
  build: decoder((model, { width }) => ({
    norm: { kind: 'layer' },
    attention: { bias: true, outputBias: true },
    feedForward: { activation: activationOf(model, 'geluErf'), gated: false, bias: true },
    learnedPositions: true,
    embeddingScale: model.metadata.flag('embedding_scaled', true) ? Math.sqrt(width) : 1,
  })),
};
