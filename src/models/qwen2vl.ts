/** Qwen 2 VL and 2.5 VL's text model: Qwen 2's shape. Positions of text are the same in all three of its directions. */
import type { Architecture } from './architecture.ts';
import { decoder } from './parts/decoder.ts';
import { rotary } from './parts/rotary.ts';

export const qwen2vl: Architecture = {
  name: 'qwen2vl',
  models: 'Qwen 2 VL, 2.5 VL (text)',
  passesOverTensors: /^output\.bias$/,
  passesOver: ['rope.dimension_sections'],
  build: decoder((model, { headSize }) => {
    const turned = rotary(model, headSize, { layout: 'half', tables: 'none' });
    return {
      attention: { rotary: () => turned },
      feedForward: { activation: 'silu', gated: true, bias: false },
    };
  }),
};
