/** NeoBERT: pre-norm encoder with rotary positions and a fused SwiGLU. Le Breton et al. 2025 (arXiv 2502.19587). */
import type { Architecture } from './architecture.ts';
import { neverCausal } from './parts/attention.ts';
import { decoder } from './parts/decoder.ts';
import { rotary } from './parts/rotary.ts';

export const neoBert: Architecture = {
  name: 'neo-bert',
  models: 'NeoBERT',
  build: decoder((model, dimensions) => {
    const turned = rotary(model, dimensions.headSize, { layout: 'interleaved', tables: 'none' });
    return {
      attention: { causal: neverCausal(model), rotary: () => turned, bias: false, outputBias: false },
      feedForward: { activation: 'silu', gated: true, bias: false },
      outputNormName: 'enc.output_norm',
    };
  }),
};
