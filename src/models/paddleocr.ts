/** PaddleOCR-VL's text model: ERNIE 4.5's shape. Positions of text are the same in all three of its directions. */
import type { Architecture } from './architecture.ts';
import { decoder } from './parts/decoder.ts';
import { rotary } from './parts/rotary.ts';

export const paddleocr: Architecture = {
  name: 'paddleocr',
  models: 'PaddleOCR-VL (text)',
  passesOver: ['expert_count', 'rope.dimension_sections'],
  build: decoder((model, { headSize }) => {
    const turned = rotary(model, headSize, { layout: 'half', tables: 'none' });
    return { attention: { rotary: () => turned }, feedForward: { activation: 'silu', gated: true } };
  }),
};
