/** Qwen 2 and 2.5: Llama's structure with biases on queries, keys and values. Yang et al. 2024 (arXiv 2407.10671). */
import type { Architecture } from './architecture.ts';
import { tensorNames } from './folders/family.ts';
import { qwen2Keys } from './folders/llamaKeys.ts';
import { activationOf } from './parts/activationOf.ts';
import { decoder } from './parts/decoder.ts';
import { gatedDecoder } from './parts/fresh.ts';
import { rotary } from './parts/rotary.ts';
import { windows } from './parts/windows.ts';

export const qwen2: Architecture = {
  name: 'qwen2',
  models: 'Qwen 2, 2.5, DeepSeek-R1-Distill-Qwen',
  folders: [
    {
      modelTypes: ['qwen2'],
      defaults: {
        hidden_size: 4096,
        intermediate_size: 22016,
        num_hidden_layers: 32,
        num_attention_heads: 32,
        num_key_value_heads: 32,
        hidden_act: 'silu',
        max_position_embeddings: 32768,
        rms_norm_eps: 1e-6,
        sliding_window: 4096,
        max_window_layers: 28,
        rope_theta: 10000,
      },
      metadata: qwen2Keys,
      tensor: tensorNames(),
    },
  ],
  fresh: gatedDecoder('attn_q.bias', 'attn_k.bias', 'attn_v.bias'),
  build: decoder((model, dimensions) => {
    const turned = rotary(model, dimensions.headSize, { layout: 'half', tables: 'none' });
    return {
      attention: {
        rotary: () => turned,
        window: model.fromFolder ? windows(model, dimensions, { period: 0 }).of : undefined,
      },
      feedForward: { activation: activationOf(model, 'silu'), gated: true, bias: false },
      outputBias: 'optional',
    };
  }),
};
