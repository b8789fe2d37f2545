/** Phi-3, 3.5 and 4: Llama's shape with fused projections and LongRoPE. Abdin et al. 2024 (arXiv 2404.14219). */
import type { Architecture } from './architecture.ts';
import { tensorNames } from './folders/family.ts';
import { phi3Keys } from './folders/llamaKeys.ts';
import { activationOf } from './parts/activationOf.ts';
import { decoder } from './parts/decoder.ts';
import { rotary } from './parts/rotary.ts';
import { windows } from './parts/windows.ts';

export const phi3: Architecture = {
  name: 'phi3',
  models: 'Phi-3, 3.5, 4, 4-mini',
  passesOver: ['attention.sliding_window'],
  folders: [
    {
      modelTypes: ['phi3'],
      defaults: {
        hidden_size: 3072,
        intermediate_size: 8192,
        num_hidden_layers: 32,
        num_attention_heads: 32,
        hidden_act: 'silu',
        max_position_embeddings: 4096,
        original_max_position_embeddings: 4096,
        rms_norm_eps: 1e-5,
        rope_theta: 10000,
      },
      metadata: phi3Keys,
      tensor: tensorNames({
        block: {
          attn_qkv: 'self_attn.qkv_proj',
          attn_q: '',
          attn_k: '',
          attn_v: '',
          ffn_gate: '',
          ffn_up: 'mlp.gate_up_proj',
        },
      }),
    },
  ],
  build: decoder((model, dimensions) => {
    const turned = rotary(model, dimensions.headSize, { layout: 'half', tables: 'longrope' });
    return {
      attention: {
        rotary: () => turned,
        // llama.cpp ignores the window in GGUF models
        window: model.fromFolder ? windows(model, dimensions, { period: 0 }).of : undefined,
      },
      feedForward: { activation: activationOf(model, 'silu'), gated: true },
      outputBias: 'optional',
    };
  }),
};
