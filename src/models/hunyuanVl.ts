/** Hunyuan-OCR's text model: Hunyuan's shape. Positions of text are the same in all its directions. */
import type { Architecture } from './architecture.ts';
import { activationOf } from './parts/activationOf.ts';
import { decoder } from './parts/decoder.ts';
import { rotary } from './parts/rotary.ts';

export const hunyuanVl: Architecture = {
  name: 'hunyuan_vl',
  models: 'Hunyuan-OCR (text)',
  passesOver: ['expert_count', 'rope.dimension_sections'],
  build: decoder((model, { headSize }) => {
    const turned = rotary(model, headSize, { layout: 'half' });
    return {
      attention: { rotary: () => turned, headNorm: { over: 'head', norm: { kind: 'rms' }, afterRope: true } },
      feedForward: { activation: activationOf(model, 'silu'), gated: true },
    };
  }),
};
