/** Mellum 2: Qwen 3 MoE's shape with local layers, whose rotary embedding is not scaled. JetBrains 2026. */
import type { Architecture } from './architecture.ts';
import { decoder } from './parts/decoder.ts';
import { readExperts } from './parts/experts.ts';
import { rotary } from './parts/rotary.ts';
import { windows } from './parts/windows.ts';

export const mellum: Architecture = {
  name: 'mellum',
  models: 'Mellum 2',
  build: decoder((model, dimensions) => {
    const { headSize } = dimensions;
    const window = windows(model, dimensions, { period: 4 });
    const global = rotary(model, headSize, { layout: 'half', tables: 'none' });
    const local = rotary(model, headSize, { layout: 'half', tables: 'none', unscaled: true });
    return {
      attention: {
        rotary: (layer) => (window.isLocal(layer) ? local : global),
        window: window.of,
        headNorm: { over: 'head', norm: { kind: 'rms' } },
      },
      feedForward: { activation: 'silu', gated: true },
      experts: readExperts(model, {
        scaled: true,
        gating: 'softmax',
        normalize: true,
        ffn: Math.floor(dimensions.ffn[0] / model.metadata.count('expert_used_count', 1, 1)),
      }),
      tied: false,
    };
  }),
};
