/** GPT-J: both branches read one norm, partial rotary embedding. Wang, Komatsuzaki 2021. */
import type { Architecture } from './architecture.ts';
import { gptjKeys, gptjTensor } from './folders/gptjKeys.ts';
import { activationOf } from './parts/activationOf.ts';
import { decoder } from './parts/decoder.ts';
import { rotary } from './parts/rotary.ts';

export const gptj: Architecture = {
  name: 'gptj',
  models: 'GPT-J',
  foldersOnly: true,
  folders: [
    {
      modelTypes: ['gptj'],
      defaults: {
        n_positions: 2048,
        n_embd: 4096,
        n_layer: 28,
        n_head: 16,
        rotary_dim: 64,
        activation_function: 'gelu_new',
        layer_norm_epsilon: 1e-5,
        rope_theta: 10000,
      },
      metadata: gptjKeys,
      tensor: gptjTensor,
    },
  ],
  build: decoder((model, { headSize }) => {
    const turned = rotary(model, headSize, { layout: 'interleaved', folderLayout: 'interleaved' });
    return {
      norm: { kind: 'layer' },
      parallel: true,
      feedForwardNorm: () => undefined,
      attention: { rotary: () => turned, bias: false, outputBias: false },
      feedForward: { activation: activationOf(model, 'gelu'), gated: false, bias: true },
      outputBias: true,
    };
  }),
};
