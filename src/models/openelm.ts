/** OpenELM: heads and feed-forward widths by layer, fused projections, norms on heads. Mehta et al. 2024 (arXiv 2404.14619). */
import type { Architecture } from './architecture.ts';
import { decoder } from './parts/decoder.ts';
import { rotary } from './parts/rotary.ts';

export const openelm: Architecture = {
  name: 'openelm',
  models: 'OpenELM',
  build: decoder((model, { headSize }) => {
    const turned = rotary(model, headSize, { layout: 'half', tables: 'none' });
    return {
      attention: {
        rotary: () => turned,
        bias: false,
        outputBias: false,
        scaled: false,
        headNorm: { over: 'head', norm: { kind: 'rms' } },
      },
      feedForward: { activation: 'silu', gated: true },
      tied: true,
    };
  }),
};
