/** Maincoder: Llama's shape with norms of queries and keys after the rotary embedding. 2025. */
import type { Architecture } from './architecture.ts';
import { decoder } from './parts/decoder.ts';
import { rotary } from './parts/rotary.ts';

export const maincoder: Architecture = {
  name: 'maincoder',
  models: 'Maincoder',
  build: decoder((model, { headSize }) => {
    const turned = rotary(model, headSize, { layout: 'interleaved', tables: 'none' });
    return {
      attention: { rotary: () => turned, headNorm: { over: 'head', norm: { kind: 'rms' }, afterRope: true } },
      feedForward: { activation: 'silu', gated: true },
    };
  }),
};
