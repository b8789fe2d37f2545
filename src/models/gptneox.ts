/** GPT-NeoX, Pythia, Dolly, RedPajama: layer norms, partial rotary embedding, both branches read the block's input. Black et al. 2022 (arXiv 2204.06745). */
import type { Architecture } from './architecture.ts';
import { gptNeoxKeys, gptNeoxTensor } from './folders/gptNeoxKeys.ts';
import { activationOf } from './parts/activationOf.ts';
import { decoder } from './parts/decoder.ts';
import { rotary } from './parts/rotary.ts';

export const gptneox: Architecture = {
  name: 'gptneox',
  models: 'GPT-NeoX, Pythia, RedPajama, Dolly 2',
  folders: [
    {
      modelTypes: ['gpt_neox'],
      defaults: {
        hidden_size: 6144,
        num_hidden_layers: 44,
        num_attention_heads: 64,
        intermediate_size: 24576,
        hidden_act: 'gelu',
        max_position_embeddings: 2048,
        layer_norm_eps: 1e-5,
        use_parallel_residual: true,
        attention_bias: true,
        rope_theta: 10000,
        partial_rotary_factor: 0.25,
      },
      metadata: gptNeoxKeys,
      tensor: gptNeoxTensor,
    },
  ],
  build: decoder((model, { headSize }) => {
    const turned = rotary(model, headSize, { layout: 'half', tables: 'none' });
    return {
      norm: { kind: 'layer' },
      parallel: model.metadata.flag('use_parallel_residual', false),
      attention: { rotary: () => turned, bias: true, outputBias: true },
      feedForward: { activation: activationOf(model, 'gelu'), gated: false, bias: true },
      tied: false,
    };
  }),
};
