/** Phi-3.5 MoE, Phi-mini-MoE: Phi-3's rotary embedding, layer norms and biases, experts in every block. Microsoft 2024. As in llama.cpp: experts are chosen by softmax, not by the sparse mixer of the model's own code. */
import type { Architecture } from './architecture.ts';
import { decoder } from './parts/decoder.ts';
import { readExperts } from './parts/experts.ts';
import { rotary } from './parts/rotary.ts';

export const phimoe: Architecture = {
  name: 'phimoe',
  models: 'Phi-3.5 MoE, Phi-mini-MoE',
  passesOver: ['attention.sliding_window'],
  build: decoder((model, { headSize, ffn }) => {
    const turned = rotary(model, headSize, { layout: 'half', tables: 'longrope' });
    return {
      norm: { kind: 'rms', bias: 'optional' },
      attention: { rotary: () => turned },
      feedForward: { activation: 'silu', gated: true },
      experts: readExperts(model, { gating: 'softmax', normalize: true, width: ffn[0] }),
      outputBias: 'optional',
    };
  }),
};
