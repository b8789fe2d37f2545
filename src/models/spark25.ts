/** Spark 2.5: a gate for each head of attention, GELU, local layers. iFlytek 2026. */
import type { Architecture } from './architecture.ts';
import { decoder } from './parts/decoder.ts';
import { rotary } from './parts/rotary.ts';
import { windows } from './parts/windows.ts';

export const spark25: Architecture = {
  name: 'spark2_5',
  models: 'Spark 2.5',
  build: decoder((model, dimensions) => {
    const { headSize } = dimensions;
    const window = windows(model, dimensions, { period: 0, required: !model.fromFolder });
    const [global, local] = [false, true].map((isLocal) =>
      rotary(model, headSize, { layout: 'half', tables: 'none', local: isLocal, localScaling: true }),
    );
    return {
      attention: {
        rotary: (layer) => (window.isLocal(layer) ? local : global),
        window: window.of,
        gated: 'heads',
        outputBias: false,
      },
      feedForward: { activation: 'gelu', gated: true },
    };
  }),
};
