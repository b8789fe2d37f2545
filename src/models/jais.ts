/** Jais: ALiBi, layer norms, a gate of SiLU, scores divided by the head size. Sengupta et al. 2023 (arXiv 2308.16149). */
import type { Architecture } from './architecture.ts';
import { decoder } from './parts/decoder.ts';

export const jais: Architecture = {
  name: 'jais',
  models: 'Jais',
  build: decoder((model, { headSize }) => ({
    norm: { kind: 'layer' },
    attention: {
      bias: true,
      outputBias: true,
      scale: 1 / headSize,
      alibi: model.metadata.number('attention.max_alibi_bias', 0),
    },
    feedForward: { activation: 'silu', gated: true, bias: true },
    tied: false,
  })),
};
