/** GLM 4.5, 4.6 and Air: partial rotary embedding, experts chosen by sigmoids and a bias, a shared expert. Zhipu AI 2025 (arXiv 2508.06471). */
import type { Architecture } from './architecture.ts';
import { deepSeekExpertFields, expertKeys, sharedNames, withExperts } from './folders/expertKeys.ts';
import { biasKeys, decoderKeys, ropeKeys, tensorNames } from './folders/family.ts';
import { activationOf } from './parts/activationOf.ts';
import { decoder } from './parts/decoder.ts';
import { readExperts } from './parts/experts.ts';
import { rotary } from './parts/rotary.ts';

export const glm4moe: Architecture = {
  name: 'glm4moe',
  models: 'GLM 4.5, 4.6',
  passesOver: ['rope.dimension_sections'],
  folders: [
    {
      modelTypes: ['glm4_moe'],
      defaults: {
        hidden_size: 4096,
        intermediate_size: 10944,
        num_hidden_layers: 46,
        num_attention_heads: 96,
        num_key_value_heads: 8,
        hidden_act: 'silu',
        max_position_embeddings: 131072,
        rms_norm_eps: 1e-5,
        moe_intermediate_size: 1408,
        num_experts_per_tok: 8,
        n_shared_experts: 1,
        n_routed_experts: 128,
        routed_scaling_factor: 1,
        n_group: 1,
        topk_group: 1,
        first_k_dense_replace: 1,
        norm_topk_prob: true,
        rope_theta: 10000,
        partial_rotary_factor: 0.5,
      },
      metadata: (config) => {
        const keys = decoderKeys(config);
        const bias = config.flag('attention_bias');
        for (const field of ['first_k_dense_replace', 'use_qk_norm', 'num_nextn_predict_layers']) config.value(field);
        return {
          ...keys,
          ...ropeKeys(config, keys, { partial: 0.5 }),
          ...biasKeys(bias, false, false),
          ...expertKeys(config, deepSeekExpertFields, 2),
          expert_shared_count: config.number('n_shared_experts'),
        };
      },
      tensor: withExperts(
        tensorNames({
          block: {
            ffn_norm: '',
            post_attention_norm: 'post_attention_layernorm',
            attn_q_norm: 'self_attn.q_norm',
            attn_k_norm: 'self_attn.k_norm',
            ffn_gate_inp: 'mlp.gate',
            ...sharedNames('mlp.shared_experts'),
          },
        }),
        { choiceBias: 'mlp.gate.e_score_correction_bias', count: 'n_routed_experts' },
      ),
    },
  ],
  build: decoder((model, { headSize }) => {
    const { metadata } = model;
    const turned = rotary(model, headSize, { layout: 'half', tables: 'none' });
    const activation = activationOf(model, 'silu');
    const shared = { ffn: metadata.count('expert_feed_forward_length') * metadata.count('expert_shared_count', 0, 0) };
    const isStated = metadata.count('expert_gating_func', 0, 0) > 0;
    return {
      feedForwardNorm: () => 'post_attention_norm',
      attention: {
        rotary: () => turned,
        headNorm: { over: 'head', norm: { kind: 'rms' }, presence: 'optional' },
        outputBias: false,
      },
      feedForward: { activation, gated: true },
      experts: readExperts(model, { activation, shared, ...(isStated ? {} : { gating: 'sigmoid' }) }),
    };
  }),
};
