/** Orion 14B: Llama's shape with layer norms. OrionStar 2024 (arXiv 2401.12246). */
import type { Architecture } from './architecture.ts';
import { decoder } from './parts/decoder.ts';
import { rotary } from './parts/rotary.ts';

export const orion: Architecture = {
  name: 'orion',
  models: 'Orion 14B',
  build: decoder((model, { headSize }) => {
    const turned = rotary(model, headSize, { layout: 'half', tables: 'none' });
    return {
      norm: { kind: 'layer' },
      attention: { rotary: () => turned, outputBias: false },
      feedForward: { activation: 'silu', gated: true },
      tied: false,
    };
  }),
};
