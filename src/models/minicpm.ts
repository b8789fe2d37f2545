/** MiniCPM 1 to 4: Llama's shape with factors of embedding, branches and logits. Hu et al. 2024 (arXiv 2404.06395). */
import type { Architecture } from './architecture.ts';
import { decoder } from './parts/decoder.ts';
import { readExperts } from './parts/experts.ts';
import { rotary } from './parts/rotary.ts';

export const minicpm: Architecture = {
  name: 'minicpm',
  models: 'MiniCPM 1 to 4',
  build: decoder((model, { headSize, layers, width, ffn }) => {
    const { metadata } = model;
    const turned = rotary(model, headSize, { layout: 'interleaved', tables: 'both' });
    // old files do not have these keys
    return {
      attention: { rotary: () => turned },
      feedForward: { activation: 'silu', gated: true, bias: 'optional' },
      experts: readExperts(model, { gating: 'softmax', normalize: true, width: ffn[0] }),
      embeddingScale: metadata.number('embedding_scale', 12),
      residualScale: metadata.number('residual_scale', 1.4 / Math.sqrt(layers)),
      logitScale: 1 / metadata.number('logit_scale', 256 / width),
    };
  }),
};
