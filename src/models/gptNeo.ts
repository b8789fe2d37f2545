/** GPT-Neo: GPT-2's shape with local layers between global ones and no attention scale. Black et al. 2021. */
import type { Architecture } from './architecture.ts';
import { gptNeoKeys, gptNeoTensor } from './folders/gptNeoKeys.ts';
import { activationOf } from './parts/activationOf.ts';
import { decoder } from './parts/decoder.ts';
import { windows } from './parts/windows.ts';

export const gptNeo: Architecture = {
  name: 'gpt_neo',
  models: 'GPT-Neo',
  foldersOnly: true,
  folders: [
    {
      modelTypes: ['gpt_neo'],
      defaults: {
        max_position_embeddings: 2048,
        hidden_size: 2048,
        num_layers: 24,
        num_heads: 16,
        window_size: 256,
        activation_function: 'gelu_new',
        layer_norm_epsilon: 1e-5,
        tie_word_embeddings: true,
      },
      metadata: gptNeoKeys,
      tensor: gptNeoTensor,
    },
  ],
  build: decoder((model, dimensions) => ({
    norm: { kind: 'layer' },
    attention: { scale: 1, window: windows(model, dimensions, { period: 0 }).of, bias: false, outputBias: true },
    feedForward: { activation: activationOf(model, 'gelu'), gated: false, bias: true },
    learnedPositions: true,
  })),
};
