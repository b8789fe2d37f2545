/** Muse Glimmer: gated attention, norms before and after the branches; the layers that see everything have no rotary embedding. */
import type { Architecture } from './architecture.ts';
import { decoder } from './parts/decoder.ts';
import { rotary } from './parts/rotary.ts';
import { windows } from './parts/windows.ts';

export const museGlimmer: Architecture = {
  name: 'muse-glimmer',
  models: 'Muse Glimmer',
  build: decoder((model, dimensions) => {
    const { metadata } = model;
    const window = windows(model, dimensions, { period: 4, required: !model.fromFolder });
    const local = rotary(model, dimensions.headSize, {
      layout: 'interleaved',
      tables: 'none',
      local: true,
      localScaling: true,
    });
    return {
      embeddingNorm: { kind: 'rms', gain: false },
      norms: 'around',
      normAfter: { kind: 'rms', epsilon: 1e-8 },
      attention: {
        rotary: (layer) => (window.isLocal(layer) ? local : undefined),
        window: window.of,
        outputBias: false,
        headNorm: { over: 'head', norm: { kind: 'rms' } },
        gated: true,
      },
      feedForward: { activation: 'silu', gated: true },
      tied: false,
      logitScale: metadata.number('logit_scale'),
      logitSoftcap: metadata.number('final_logit_softcapping', 30),
    };
  }),
};
