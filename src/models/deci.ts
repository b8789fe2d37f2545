/** DeciLM and Llama-3 Nemotron (pruned): Llama's shape with heads and feed-forward widths by layer. Bercovich et al. 2024 (arXiv 2411.19146). */
import type { Architecture } from './architecture.ts';
import { decoder } from './parts/decoder.ts';
import { rotary } from './parts/rotary.ts';

export const deci: Architecture = {
  name: 'deci',
  models: 'DeciLM, Llama-3 Nemotron',
  build: decoder((model, { headSize }) => {
    const turned = rotary(model, headSize, { layout: 'interleaved', tables: 'both' });
    return { attention: { rotary: () => turned }, feedForward: { activation: 'silu', gated: true, bias: 'optional' } };
  }),
};
