/** openPangu Embedded: Llama's shape with biases. Huawei 2025. */
import type { Architecture } from './architecture.ts';
import { decoder } from './parts/decoder.ts';
import { rotary } from './parts/rotary.ts';

export const panguEmbedded: Architecture = {
  name: 'pangu-embedded',
  models: 'openPangu Embedded',
  passesOverTensors: /^rope_freqs\.weight$/,
  build: decoder((model, { headSize }) => {
    const turned = rotary(model, headSize, { layout: 'half', tables: 'none' });
    return {
      attention: { rotary: () => turned, outputBias: true },
      feedForward: { activation: 'silu', gated: true, bias: false },
      outputBias: 'optional',
    };
  }),
};
