/** Qwen 3 VL's text model: Qwen 3's shape. Positions of text are the same in all three of its directions. */
import type { Architecture } from './architecture.ts';
import { decoder } from './parts/decoder.ts';
import { rotary } from './parts/rotary.ts';

export const qwen3vl: Architecture = {
  name: 'qwen3vl',
  models: 'Qwen 3 VL (text)',
  passesOverTensors: /^cls\.output\.weight$/,
  passesOver: ['rope.dimension_sections', 'n_deepstack_layers'],
  build: decoder((model, { headSize }) => {
    const turned = rotary(model, headSize, { layout: 'half', tables: 'none' });
    return {
      attention: { rotary: () => turned, outputBias: false, headNorm: { over: 'head', norm: { kind: 'rms' } } },
      feedForward: { activation: 'silu', gated: true, bias: false },
    };
  }),
};
