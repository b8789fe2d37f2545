/** SmolLM3: Llama's shape, with every fourth layer without rotary embedding. Hugging Face 2025. */
import type { Architecture } from './architecture.ts';
import { tensorNames, windowKeys } from './folders/family.ts';
import { isInterleavedInGguf } from './folders/layout.ts';
import { llamaKeys } from './folders/llamaKeys.ts';
import { activationOf } from './parts/activationOf.ts';
import { decoder } from './parts/decoder.ts';
import { rotary } from './parts/rotary.ts';
import { windows } from './parts/windows.ts';

export const smollm3: Architecture = {
  name: 'smollm3',
  models: 'SmolLM3',
  folders: [
    {
      modelTypes: ['smollm3'],
      defaults: {
        hidden_size: 2048,
        intermediate_size: 11008,
        num_hidden_layers: 36,
        num_attention_heads: 16,
        num_key_value_heads: 4,
        hidden_act: 'silu',
        max_position_embeddings: 32768,
        rms_norm_eps: 1e-6,
        no_rope_layer_interval: 4,
        tie_word_embeddings: true,
        rope_theta: 2000000,
      },
      metadata: (config) => {
        const keys = llamaKeys(config);
        const layers = Number(keys.block_count);
        const interval = config.count('no_rope_layer_interval');
        const listed = config.list('no_rope_layers');
        const hasRope = listed ?? Array.from({ length: layers }, (_, layer) => Number((layer + 1) % interval !== 0));
        const sliding = config.flag('use_sliding_window');
        const window = windowKeys(config, layers, (layer) => !hasRope[layer]);
        return { ...keys, 'rope.layers': hasRope, ...(sliding ? window : {}) };
      },
      tensor: tensorNames(),
      isInterleavedInGguf,
    },
  ],
  build: decoder((model, dimensions) => {
    const { metadata } = model;
    const { headSize, layers } = dimensions;
    const turned = rotary(model, headSize, { layout: 'interleaved' });
    const hasRope = metadata.numbers(
      'rope.layers',
      layers,
      Array.from({ length: layers }, (_, layer) => (layer + 1) % 4),
    );
    return {
      attention: {
        rotary: (layer) => (hasRope[layer] ? turned : undefined),
        window: model.fromFolder ? windows(model, dimensions, { period: 0 }).of : undefined,
      },
      feedForward: { activation: activationOf(model, 'silu'), gated: true, bias: 'optional' },
    };
  }),
};
