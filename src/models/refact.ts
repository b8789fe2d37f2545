/** Refact 1.6B: Llama's shape with ALiBi instead of a rotary embedding. 2023. */
import type { Architecture } from './architecture.ts';
import { decoder } from './parts/decoder.ts';

export const refact: Architecture = {
  name: 'refact',
  models: 'Refact',
  passesOverTensors: /^rope_freqs\.weight$|\.(attn_output|ffn_gate|ffn_up|ffn_down)\.bias$/,
  passesOver: ['attention.max_alibi_bias'],
  build: decoder(() => ({
    attention: { alibi: 8, outputBias: false },
    feedForward: { activation: 'silu', gated: true },
  })),
};
