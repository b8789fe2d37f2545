/** InternLM 2 and 2.5: Llama's shape. Cai et al. 2024 (arXiv 2403.17297). */
import type { Architecture } from './architecture.ts';
import { decoder } from './parts/decoder.ts';
import { rotary } from './parts/rotary.ts';

export const internlm2: Architecture = {
  name: 'internlm2',
  models: 'InternLM 2, 2.5',
  build: decoder((model, { headSize }) => {
    const turned = rotary(model, headSize, { layout: 'interleaved', tables: 'none' });
    return {
      attention: { rotary: () => turned },
      feedForward: { activation: 'silu', gated: true, bias: false },
      tied: false,
    };
  }),
};
