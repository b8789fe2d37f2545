/** PLaMo 3: norms before and after the branches and on heads, local layers. Preferred Networks 2025. */
import type { Architecture } from './architecture.ts';
import { decoder } from './parts/decoder.ts';
import { rotary } from './parts/rotary.ts';
import { windows } from './parts/windows.ts';

export const plamo3: Architecture = {
  name: 'plamo3',
  models: 'PLaMo 3',
  build: decoder((model, dimensions) => {
    const { headSize } = dimensions;
    const window = windows(model, dimensions, { period: 8 });
    const [global, local] = [false, true].map((isLocal) =>
      rotary(model, headSize, { layout: 'half', tables: 'none', local: isLocal, localBase: 10000 }),
    );
    return {
      norms: 'around',
      normAfter: { kind: 'rms', bare: true },
      attention: {
        rotary: (layer) => (window.isLocal(layer) ? local : global),
        window: window.of,
        bias: false,
        outputBias: false,
        scaled: false,
        headNorm: { over: 'head', norm: { kind: 'rms' } },
      },
      feedForward: { activation: 'silu', gated: true },
    };
  }),
};
