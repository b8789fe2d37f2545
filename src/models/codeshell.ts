/** CodeShell: layer norms, biases, rotary embedding, grouped heads. 2023. */
import type { Architecture } from './architecture.ts';
import { decoder } from './parts/decoder.ts';
import { rotary } from './parts/rotary.ts';

export const codeshell: Architecture = {
  name: 'codeshell',
  models: 'CodeShell',
  build: decoder((model, { headSize }) => {
    const turned = rotary(model, headSize, { layout: 'half', tables: 'none' });
    return {
      norm: { kind: 'layer' },
      attention: { rotary: () => turned, outputBias: true },
      feedForward: { activation: 'gelu', gated: false, bias: true },
      tied: false,
    };
  }),
};
