/** XVERSE: Llama's shape. 2023. */
import type { Architecture } from './architecture.ts';
import { decoder } from './parts/decoder.ts';
import { rotary } from './parts/rotary.ts';

export const xverse: Architecture = {
  name: 'xverse',
  models: 'XVERSE',
  build: decoder((model, { headSize }) => {
    const turned = rotary(model, headSize, { layout: 'interleaved', tables: 'none' });
    return {
      attention: { rotary: () => turned },
      feedForward: { activation: 'silu', gated: true, bias: false },
      tied: false,
    };
  }),
};
