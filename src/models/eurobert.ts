/** EuroBERT: Llama's structure with attention to the whole text. Boizard et al. 2025 (arXiv 2503.05500). */
import type { Architecture } from './architecture.ts';
import { tensorNames } from './folders/family.ts';
import { llamaKeys } from './folders/llamaKeys.ts';
import { activationOf } from './parts/activationOf.ts';
import { neverCausal } from './parts/attention.ts';
import { decoder } from './parts/decoder.ts';
import { rotary } from './parts/rotary.ts';

export const eurobert: Architecture = {
  name: 'eurobert',
  models: 'EuroBERT, Jina Embeddings 5 nano',
  folders: [
    {
      modelTypes: ['eurobert'],
      defaults: {
        vocab_size: 128256,
        hidden_size: 768,
        intermediate_size: 3072,
        num_hidden_layers: 12,
        num_attention_heads: 12,
        hidden_act: 'silu',
        max_position_embeddings: 8192,
        rms_norm_eps: 1e-5,
        rope_theta: 10000,
      },
      metadata: llamaKeys,
      tensor: tensorNames(),
    },
  ],
  passesOverTensors: /^lm_head\./,
  build: decoder((model, dimensions) => {
    const turned = rotary(model, dimensions.headSize, { layout: 'half', tables: 'none' });
    return {
      attention: { causal: neverCausal(model), rotary: () => turned },
      feedForward: { activation: activationOf(model, 'silu'), gated: true, bias: 'optional' },
    };
  }),
};
