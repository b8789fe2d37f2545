/** Baichuan 1 and 2: Llama's shape; the 13B model has ALiBi instead of a rotary embedding. Yang et al. 2023 (arXiv 2309.10305). */
import type { Architecture } from './architecture.ts';
import { decoder } from './parts/decoder.ts';
import { rotary } from './parts/rotary.ts';

const LAYERS_OF_7B = 32;
const LAYERS_OF_13B = 40;

export const baichuan: Architecture = {
  name: 'baichuan',
  models: 'Baichuan 1, 2',
  passesOver: ['attention.max_alibi_bias'],
  build: decoder((model, { headSize, layers }) => {
    // no key distinguishes the two models
    const turned =
      layers === LAYERS_OF_7B ? rotary(model, headSize, { layout: 'interleaved', tables: 'none' }) : undefined;
    return {
      attention: { rotary: () => turned, outputBias: false, alibi: layers === LAYERS_OF_13B ? 8 : 0 },
      feedForward: { activation: 'silu', gated: true },
      tied: false,
    };
  }),
};
