/** Command R7B, Command A, Tiny Aya: Command R's shape; local layers have a rotary embedding, the others none. Cohere 2024. */
import type { Architecture } from './architecture.ts';
import { cohere2Keys } from './folders/cohereKeys.ts';
import { tensorNames } from './folders/family.ts';
import { activationOf } from './parts/activationOf.ts';
import { decoder } from './parts/decoder.ts';
import { rotary } from './parts/rotary.ts';
import { windows } from './parts/windows.ts';

export const cohere2: Architecture = {
  name: 'cohere2',
  models: 'Command R7B, Command A, Tiny Aya',
  folders: [
    {
      modelTypes: ['cohere2'],
      defaults: {
        hidden_size: 8192,
        intermediate_size: 22528,
        logit_scale: 0.0625,
        num_hidden_layers: 40,
        num_attention_heads: 64,
        hidden_act: 'silu',
        max_position_embeddings: 8192,
        layer_norm_eps: 1e-5,
        tie_word_embeddings: true,
        sliding_window: 4096,
        rope_theta: 10000,
      },
      metadata: cohere2Keys,
      tensor: tensorNames(),
    },
  ],
  build: decoder((model, dimensions) => {
    const window = windows(model, dimensions, { period: 4, required: !model.fromFolder });
    const turned = rotary(model, dimensions.headSize, {
      layout: 'interleaved',
      folderLayout: 'interleaved',
      tables: 'none',
    });
    return {
      norm: { kind: 'layer', bias: false },
      parallel: true,
      feedForwardNorm: () => undefined,
      attention: { rotary: (layer) => (window.isLocal(layer) ? turned : undefined), window: window.of },
      feedForward: { scaled: true, activation: activationOf(model, 'silu'), gated: true },
      tied: model.fromFolder ? 'optional' : true,
      logitScale: model.metadata.number('logit_scale') || 1,
    };
  }),
};
