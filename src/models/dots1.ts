/** dots.llm1: Qwen 3's attention; experts chosen by sigmoids and a bias, and shared experts. rednote-hilab 2025 (arXiv 2506.05767). */
import type { Architecture } from './architecture.ts';
import { deepSeekExpertFields, expertKeys, sharedNames, withExperts } from './folders/expertKeys.ts';
import { biasKeys, decoderKeys, ropeKeys, tensorNames, windowKeys } from './folders/family.ts';
import { activationOf } from './parts/activationOf.ts';
import { decoder } from './parts/decoder.ts';
import { readExperts } from './parts/experts.ts';
import { rotary } from './parts/rotary.ts';
import { windows } from './parts/windows.ts';

export const dots1: Architecture = {
  name: 'dots1',
  models: 'dots.llm1',
  folders: [
    {
      modelTypes: ['dots1'],
      defaults: {
        hidden_size: 4608,
        intermediate_size: 10944,
        moe_intermediate_size: 1408,
        num_hidden_layers: 62,
        num_attention_heads: 32,
        num_key_value_heads: 32,
        hidden_act: 'silu',
        max_position_embeddings: 2048,
        rms_norm_eps: 1e-6,
        n_group: 1,
        topk_group: 1,
        first_k_dense_replace: 0,
        routed_scaling_factor: 1,
        rope_theta: 10000,
      },
      metadata: (config) => {
        const keys = decoderKeys(config);
        const bias = config.flag('attention_bias');
        config.value('first_k_dense_replace');
        return {
          ...keys,
          ...ropeKeys(config, keys),
          ...biasKeys(bias, bias, false),
          ...windowKeys(config, Number(keys.block_count), () => false),
          ...expertKeys(config, deepSeekExpertFields, 2),
          expert_shared_count: config.number('n_shared_experts'),
        };
      },
      tensor: withExperts(
        tensorNames({
          block: {
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
  build: decoder((model, dimensions) => {
    const turned = rotary(model, dimensions.headSize, { layout: 'half', tables: 'none' });
    const activation = activationOf(model, 'silu');
    const ffn = model.metadata.count('expert_feed_forward_length');
    return {
      attention: {
        rotary: () => turned,
        window: model.fromFolder ? windows(model, dimensions, { period: 0 }).of : undefined,
        headNorm: { over: 'head', norm: { kind: 'rms' } },
      },
      feedForward: { activation, gated: true },
      experts: readExperts(model, {
        activation,
        shared: { ffn: ffn * model.metadata.count('expert_shared_count', 0, 0) },
      }),
      tied: model.fromFolder ? 'optional' : false,
    };
  }),
};
