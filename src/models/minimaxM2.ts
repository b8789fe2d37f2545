/** MiniMax M2: norms over all queries and all keys, partial rotary embedding, experts chosen by sigmoids and a bias. MiniMax 2025. */
import type { Architecture } from './architecture.ts';
import { expertKeys, withExperts } from './folders/expertKeys.ts';
import { biasKeys, decoderKeys, ropeKeys, tensorNames } from './folders/family.ts';
import { decoder } from './parts/decoder.ts';
import { readExperts } from './parts/experts.ts';
import { rotary } from './parts/rotary.ts';

export const minimaxM2: Architecture = {
  name: 'minimax-m2',
  models: 'MiniMax M2',
  folders: [
    {
      modelTypes: ['minimax_m2'],
      defaults: {
        hidden_size: 3072,
        intermediate_size: 1536,
        num_hidden_layers: 62,
        num_attention_heads: 48,
        num_key_value_heads: 8,
        head_dim: 128,
        hidden_act: 'silu',
        max_position_embeddings: 196608,
        rms_norm_eps: 1e-6,
        num_experts_per_tok: 8,
        num_local_experts: 256,
        rope_theta: 5_000_000,
      },
      metadata: (config) => {
        const keys = decoderKeys(config);
        // the older form of partial_rotary_factor
        const rotated = config.number('rotary_dim');
        const partial = rotated === undefined ? 1 : rotated / Number(keys['attention.key_length']);
        return {
          ...keys,
          ...ropeKeys(config, keys, { partial }),
          ...biasKeys(false, false, false),
          ...expertKeys(config, { count: 'num_local_experts', ffn: 'intermediate_size' }, 2),
        };
      },
      tensor: withExperts(
        tensorNames({
          block: {
            attn_q_norm: 'self_attn.q_norm',
            attn_k_norm: 'self_attn.k_norm',
            ffn_gate_inp: 'block_sparse_moe.gate',
          },
        }),
        {
          experts: 'block_sparse_moe.experts',
          gate: 'w1',
          up: 'w3',
          down: 'w2',
          choiceBias: 'block_sparse_moe.e_score_correction_bias',
          count: 'num_local_experts',
        },
      ),
    },
  ],
  build: decoder((model, { headSize, ffn }) => {
    const turned = rotary(model, headSize, { layout: 'half', tables: 'none' });
    return {
      attention: { rotary: () => turned, headNorm: { over: 'all', norm: { kind: 'rms' } }, outputBias: false },
      feedForward: { activation: 'silu', gated: true },
      experts: readExperts(model, { normalize: true, width: ffn[0] }),
      tied: false,
    };
  }),
};
