/** OLMoE: Llama's shape with norms over all queries and all keys, experts in every block. OLMo team 2024 (arXiv 2409.02060). */
import type { Architecture } from './architecture.ts';
import { expertKeys, withExperts } from './folders/expertKeys.ts';
import { tensorNames } from './folders/family.ts';
import { llamaKeys } from './folders/llamaKeys.ts';
import { activationOf } from './parts/activationOf.ts';
import { decoder } from './parts/decoder.ts';
import { readExperts } from './parts/experts.ts';
import { rotary } from './parts/rotary.ts';

export const olmoe: Architecture = {
  name: 'olmoe',
  models: 'OLMoE',
  folders: [
    {
      modelTypes: ['olmoe'],
      defaults: {
        hidden_size: 2048,
        intermediate_size: 2048,
        num_hidden_layers: 16,
        num_attention_heads: 16,
        hidden_act: 'silu',
        max_position_embeddings: 4096,
        rms_norm_eps: 1e-5,
        num_experts_per_tok: 8,
        num_experts: 64,
        rope_theta: 10000,
      },
      metadata: (config) => ({
        ...llamaKeys(config),
        ...expertKeys(config, { normalize: 'norm_topk_prob' }),
        'attention.clamp_kqv': config.number('clip_qkv'),
      }),
      tensor: withExperts(
        tensorNames({
          block: {
            attn_q_norm: 'self_attn.q_norm',
            attn_k_norm: 'self_attn.k_norm',
            ffn_gate_inp: 'mlp.gate',
          },
        }),
      ),
    },
  ],
  build: decoder((model, { headSize, ffn }) => {
    const turned = rotary(model, headSize, { layout: 'half', tables: 'none' });
    const activation = activationOf(model, 'silu');
    return {
      attention: {
        rotary: () => turned,
        headNorm: { over: 'all', norm: { kind: 'rms' } },
        clamp: model.fromFolder ? model.metadata.number('attention.clamp_kqv', 0) : 0,
        clampAfterNorm: true,
      },
      feedForward: { activation, gated: true },
      experts: readExperts(model, {
        activation,
        gating: 'softmax',
        width: ffn[0],
        ...(model.fromFolder ? {} : { normalize: false }),
      }),
      tied: model.fromFolder ? 'optional' : false,
    };
  }),
};
