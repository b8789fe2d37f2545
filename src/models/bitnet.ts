/** BitNet b1.58: Llama's shape with norms before the output projections of both branches. Microsoft 2024 (arXiv 2402.17764). Weights of three values are a matter of their format. */
import type { Architecture } from './architecture.ts';
import { tensorNames } from './folders/family.ts';
import { llamaKeys } from './folders/llamaKeys.ts';
import { activationOf } from './parts/activationOf.ts';
import { decoder } from './parts/decoder.ts';
import { rotary } from './parts/rotary.ts';

export const bitnet: Architecture = {
  name: 'bitnet',
  models: 'BitNet b1.58',
  folders: [
    {
      modelTypes: ['bitnet'],
      defaults: {
        hidden_size: 2560,
        intermediate_size: 6912,
        num_hidden_layers: 30,
        num_attention_heads: 20,
        num_key_value_heads: 5,
        hidden_act: 'relu2',
        max_position_embeddings: 2048,
        rms_norm_eps: 1e-5,
        rope_theta: 500_000,
      },
      metadata: llamaKeys,
      tensor: tensorNames({
        block: { attn_sub_norm: 'self_attn.attn_sub_norm', ffn_sub_norm: 'mlp.ffn_sub_norm' },
      }),
    },
  ],
  build: decoder((model, { headSize }) => {
    const turned = rotary(model, headSize, { layout: 'half', tables: 'none' });
    return {
      attention: {
        rotary: () => turned,
        outputNorm: 'attn_sub_norm',
        ...(model.fromFolder ? {} : { bias: false, outputBias: false }),
      },
      feedForward: { activation: activationOf(model, 'silu'), gated: true, scaled: true, innerNorm: 'ffn_sub_norm' },
      tied: model.fromFolder ? 'optional' : true,
    };
  }),
};
