/** SmallThinker 4B-A0.6B, 21B-A3B: the router reads a block's input before attention; experts with ReLU; one global layer in four, without rotary embedding. IPADS 2025 (arXiv 2507.20984). */
import type { Architecture } from './architecture.ts';
import { decoder } from './parts/decoder.ts';
import { readExperts } from './parts/experts.ts';
import { rotary } from './parts/rotary.ts';
import { windows } from './parts/windows.ts';

/** Of the published models, whatever their files say, as in llama.cpp. */
const WINDOW = 4096;
const PERIOD = 4;

export const smallthinker: Architecture = {
  name: 'smallthinker',
  models: 'SmallThinker',
  build: decoder((model, dimensions) => {
    const { headSize } = dimensions;
    const window = windows(model, dimensions, { period: PERIOD, globalFirst: true });
    const [global, local] = [false, true].map((isLocal) =>
      rotary(model, headSize, { layout: 'half', tables: 'none', local: isLocal, localScaling: true }),
    );
    const turns = (layer: number): boolean => !window.stated || dimensions.layers === PERIOD || layer % PERIOD !== 0;
    return {
      attention: {
        rotary: (layer) => (!turns(layer) ? undefined : window.isLocal(layer) ? local : global),
        window: (layer) => (window.isLocal(layer) ? WINDOW : 0),
      },
      feedForward: { activation: 'relu', gated: true },
      experts: readExperts(model, { activation: 'relu', normalize: true, ffn: dimensions.ffn[0] }),
      routesBlockInput: true,
    };
  }),
};
