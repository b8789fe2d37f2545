/** DBRX: layer norms without bias, clamped queries, keys and values, experts in every block. Databricks 2024. */
import type { Architecture } from './architecture.ts';
import { decoder } from './parts/decoder.ts';
import { readExperts } from './parts/experts.ts';
import { rotary } from './parts/rotary.ts';

export const dbrx: Architecture = {
  name: 'dbrx',
  models: 'DBRX',
  build: decoder((model, { headSize, ffn }) => {
    const turned = rotary(model, headSize, { layout: 'half', tables: 'none' });
    return {
      norm: { kind: 'layer', bias: false },
      feedForwardNorm: () => 'attn_output_norm',
      attention: { rotary: () => turned, clamp: model.metadata.number('attention.clamp_kqv', 0), outputBias: false },
      feedForward: { activation: 'silu', gated: true },
      experts: readExperts(model, { gating: 'softmax', normalize: true, width: ffn[0] }),
      tied: false,
    };
  }),
};
