/** Qwen 3: Llama's structure with norms on the heads of queries and keys. Qwen team 2025 (arXiv 2505.09388). */
import type { Architecture } from './architecture.ts';
import { tensorNames } from './folders/family.ts';
import { qwen2Keys } from './folders/llamaKeys.ts';
import { activationOf } from './parts/activationOf.ts';
import { decoder } from './parts/decoder.ts';
import { gatedDecoder } from './parts/fresh.ts';
import { rotary } from './parts/rotary.ts';
import { windows } from './parts/windows.ts';

export const qwen3: Architecture = {
  name: 'qwen3',
  models: 'Qwen 3',
  folders: [
    {
      modelTypes: ['qwen3'],
      defaults: {
        hidden_size: 4096,
        intermediate_size: 22016,
        num_hidden_layers: 32,
        num_attention_heads: 32,
        num_key_value_heads: 32,
        head_dim: 128,
        hidden_act: 'silu',
        max_position_embeddings: 32768,
        rms_norm_eps: 1e-6,
        sliding_window: 4096,
        max_window_layers: 28,
        rope_theta: 10000,
      },
      metadata: qwen2Keys,
      tensor: tensorNames({ block: { attn_q_norm: 'self_attn.q_norm', attn_k_norm: 'self_attn.k_norm' } }),
    },
  ],
  fresh: gatedDecoder('attn_q_norm.weight', 'attn_k_norm.weight'),
  build: decoder((model, dimensions) => {
    const turned = rotary(model, dimensions.headSize, { layout: 'half', tables: 'none' });
    return {
      attention: {
        rotary: () => turned,
        window: model.fromFolder ? windows(model, dimensions, { period: 0 }).of : undefined,
        headNorm: { over: 'head', norm: { kind: 'rms' } },
      },
      feedForward: { scaled: true, activation: activationOf(model, 'silu'), gated: true, bias: false },
    };
  }),
};
