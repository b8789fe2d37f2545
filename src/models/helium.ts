/** Helium: Llama's shape with the other rotary layout. Kyutai 2025. */
import type { Architecture } from './architecture.ts';
import { tensorNames } from './folders/family.ts';
import { heliumKeys } from './folders/llamaKeys.ts';
import { activationOf } from './parts/activationOf.ts';
import { decoder } from './parts/decoder.ts';
import { rotary } from './parts/rotary.ts';

export const helium: Architecture = {
  name: 'helium',
  models: 'Helium',
  foldersOnly: true,
  folders: [
    {
      modelTypes: ['helium'],
      defaults: {
        hidden_size: 2560,
        intermediate_size: 7040,
        num_hidden_layers: 24,
        num_attention_heads: 20,
        num_key_value_heads: 20,
        head_dim: 128,
        hidden_act: 'silu',
        max_position_embeddings: 4096,
        rms_norm_eps: 1e-8,
        rope_theta: 100000,
      },
      metadata: heliumKeys,
      tensor: tensorNames(),
    },
  ],
  build: decoder((model, { headSize }) => {
    const turned = rotary(model, headSize, { layout: 'interleaved', folderLayout: 'interleaved' });
    return {
      attention: { rotary: () => turned, outputBias: false },
      feedForward: { activation: activationOf(model, 'silu'), gated: true },
    };
  }),
};
