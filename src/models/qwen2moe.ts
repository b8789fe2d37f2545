/** Qwen 1.5 and 2 MoE: Qwen 2's attention, experts and a gated shared expert in every block. Qwen team 2024. */
import type { Architecture } from './architecture.ts';
import { expertKeys, sharedNames, withExperts } from './folders/expertKeys.ts';
import { tensorNames } from './folders/family.ts';
import { qwen2Keys } from './folders/llamaKeys.ts';
import { activationOf } from './parts/activationOf.ts';
import { decoder } from './parts/decoder.ts';
import { readExperts } from './parts/experts.ts';
import { rotary } from './parts/rotary.ts';
import { windows } from './parts/windows.ts';

export const qwen2moe: Architecture = {
  name: 'qwen2moe',
  models: 'Qwen 1.5 MoE, Qwen 2 MoE',
  folders: [
    {
      modelTypes: ['qwen2_moe'],
      defaults: {
        hidden_size: 2048,
        intermediate_size: 5632,
        num_hidden_layers: 24,
        num_attention_heads: 16,
        num_key_value_heads: 16,
        hidden_act: 'silu',
        max_position_embeddings: 32768,
        rms_norm_eps: 1e-6,
        sliding_window: 4096,
        max_window_layers: 28,
        moe_intermediate_size: 1408,
        shared_expert_intermediate_size: 5632,
        num_experts_per_tok: 4,
        num_experts: 60,
        decoder_sparse_step: 1,
        qkv_bias: true,
        rope_theta: 10000,
      },
      metadata: (config) => {
        // a block has experts if the folder has their tensors
        for (const field of ['decoder_sparse_step', 'mlp_only_layers']) config.value(field);
        if (!config.flag('qkv_bias')) throw config.unsupported('qkv_bias', false, ['true']);
        return {
          ...qwen2Keys(config),
          ...expertKeys(config, { ffn: 'moe_intermediate_size', normalize: 'norm_topk_prob' }),
          expert_shared_feed_forward_length: config.count('shared_expert_intermediate_size'),
        };
      },
      tensor: withExperts(
        tensorNames({
          block: {
            ffn_gate_inp: 'mlp.gate',
            ffn_gate_inp_shexp: 'mlp.shared_expert_gate',
            ...sharedNames('mlp.shared_expert'),
          },
        }),
      ),
    },
  ],
  build: decoder((model, dimensions) => {
    const { metadata } = model;
    const ffn = dimensions.ffn[0];
    const turned = rotary(model, dimensions.headSize, { layout: 'half', tables: 'none' });
    const activation = activationOf(model, 'silu');
    return {
      attention: {
        rotary: () => turned,
        window: model.fromFolder ? windows(model, dimensions, { period: 0 }).of : undefined,
      },
      feedForward: { activation, gated: true, bias: false },
      experts: readExperts(model, {
        activation,
        gating: 'softmax',
        ffn: Math.floor(ffn / metadata.count('expert_used_count', 1, 1)),
        shared: { ffn: metadata.count('expert_shared_feed_forward_length', 0, 0) || ffn, gated: true },
        ...(model.fromFolder ? {} : { normalize: false }),
      }),
      tied: model.fromFolder ? 'optional' : false,
    };
  }),
};
