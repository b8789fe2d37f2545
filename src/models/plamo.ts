/** PLaMo 1: both branches read the same norm. Preferred Networks 2023. */
import type { Architecture } from './architecture.ts';
import { decoder } from './parts/decoder.ts';
import { rotary } from './parts/rotary.ts';

export const plamo: Architecture = {
  name: 'plamo',
  models: 'PLaMo 1',
  build: decoder((model, { headSize }) => {
    const turned = rotary(model, headSize, { layout: 'half', tables: 'none' });
    return {
      parallel: true,
      feedForwardNorm: () => undefined,
      attention: { rotary: () => turned, outputBias: false },
      feedForward: { activation: 'silu', gated: true },
      tied: false,
    };
  }),
};
