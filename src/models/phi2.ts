/** Phi-1, 1.5 and 2: both branches read one norm, partial rotary embedding, biases everywhere. Gunasekar et al. 2023 (arXiv 2306.11644). */
import type { Architecture } from './architecture.ts';
import { tensorNames } from './folders/family.ts';
import { phiKeys } from './folders/layerNormKeys.ts';
import { activationOf } from './parts/activationOf.ts';
import { decoder } from './parts/decoder.ts';
import { rotary } from './parts/rotary.ts';

export const phi2: Architecture = {
  name: 'phi2',
  models: 'Phi-1, 1.5, 2',
  folders: [
    {
      modelTypes: ['phi'],
      defaults: {
        hidden_size: 2048,
        intermediate_size: 8192,
        num_hidden_layers: 24,
        num_attention_heads: 32,
        hidden_act: 'gelu_new',
        max_position_embeddings: 2048,
        layer_norm_eps: 1e-5,
        rope_theta: 10000,
        partial_rotary_factor: 0.5,
      },
      metadata: phiKeys,
      tensor: tensorNames({
        block: {
          ffn_norm: '',
          attn_output: 'self_attn.dense',
          ffn_up: 'mlp.fc1',
          ffn_down: 'mlp.fc2',
          attn_q_norm: 'self_attn.q_layernorm',
          attn_k_norm: 'self_attn.k_layernorm',
        },
        ends: { output_norm: 'final_layernorm' },
      }),
    },
  ],
  build: decoder((model, { headSize }) => {
    const turned = rotary(model, headSize, { layout: 'half', tables: 'none' });
    return {
      norm: { kind: 'layer' },
      parallel: true,
      feedForwardNorm: () => undefined,
      attention: {
        rotary: () => turned,
        bias: 'optional',
        outputBias: true,
        ...(model.fromFolder
          ? { headNorm: { over: 'head' as const, norm: { kind: 'layer' as const }, presence: 'optional' as const } }
          : {}),
      },
      feedForward: { activation: activationOf(model, 'gelu'), gated: false, bias: true },
      tied: model.fromFolder ? 'optional' : false,
      outputBias: true,
    };
  }),
};
