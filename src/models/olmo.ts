/** OLMo 1: Llama's shape with layer norms without gain and bias. Groeneveld et al. 2024 (arXiv 2402.00838). */
import type { Architecture } from './architecture.ts';
import { biasKeys, decoderKeys, ropeKeys, tensorNames } from './folders/family.ts';
import { isInterleavedInGguf } from './folders/layout.ts';
import { activationOf } from './parts/activationOf.ts';
import { decoder } from './parts/decoder.ts';
import { rotary } from './parts/rotary.ts';

export const olmo: Architecture = {
  name: 'olmo',
  models: 'OLMo 1',
  folders: [
    {
      modelTypes: ['olmo'],
      defaults: {
        hidden_size: 4096,
        intermediate_size: 11008,
        num_hidden_layers: 32,
        num_attention_heads: 32,
        hidden_act: 'silu',
        max_position_embeddings: 2048,
        rope_theta: 10000,
      },
      metadata: (config) => {
        const keys = { ...decoderKeys(config), 'attention.layer_norm_rms_epsilon': undefined };
        const bias = config.flag('attention_bias');
        return {
          ...keys,
          ...ropeKeys(config, keys),
          ...biasKeys(bias, bias, false),
          'attention.layer_norm_epsilon': 1e-5,
          'attention.clamp_kqv': config.number('clip_qkv'),
        };
      },
      tensor: tensorNames(),
      isInterleavedInGguf,
    },
  ],
  build: decoder((model, { headSize }) => {
    const turned = rotary(model, headSize, { layout: 'interleaved', tables: 'none' });
    return {
      norm: { kind: 'layer', gain: false, bias: false },
      attention: {
        rotary: () => turned,
        outputBias: false,
        clamp: model.metadata.number('attention.clamp_kqv', 0),
      },
      feedForward: { activation: activationOf(model, 'silu'), gated: true },
    };
  }),
};
