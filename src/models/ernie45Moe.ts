/** ERNIE 4.5 MoE (21B-A3B): ERNIE 4.5's attention; experts, of whom a bias decides too, and a shared expert. Baidu 2025. */
import type { Architecture } from './architecture.ts';
import { expertKeys, sharedNames, withExperts } from './folders/expertKeys.ts';
import { biasKeys, decoderKeys, ropeKeys, tensorNames } from './folders/family.ts';
import { activationOf } from './parts/activationOf.ts';
import { decoder } from './parts/decoder.ts';
import { readExperts } from './parts/experts.ts';
import { rotary } from './parts/rotary.ts';

export const ernie45Moe: Architecture = {
  name: 'ernie4_5-moe',
  models: 'ERNIE 4.5 MoE',
  passesOverTensors: /\.attn_output\.bias$/,
  passesOver: ['rope.dimension_sections'],
  folders: [
    {
      modelTypes: ['ernie4_5_moe'],
      defaults: {
        hidden_size: 2560,
        intermediate_size: 12288,
        num_hidden_layers: 28,
        num_attention_heads: 20,
        num_key_value_heads: 4,
        hidden_act: 'silu',
        max_position_embeddings: 131072,
        rms_norm_eps: 1e-5,
        tie_word_embeddings: true,
        moe_intermediate_size: 1536,
        moe_k: 6,
        moe_num_experts: 64,
        moe_num_shared_experts: 2,
        moe_layer_start_index: 1,
        moe_layer_end_index: -1,
        moe_layer_interval: 1,
        rope_theta: 500000,
      },
      metadata: (config) => {
        const keys = decoderKeys(config);
        const bias = config.flag('use_bias');
        // a block has experts if the folder has their tensors
        for (const field of ['moe_layer_start_index', 'moe_layer_end_index', 'moe_layer_interval', 'moe_norm_min'])
          config.value(field);
        const experts = expertKeys(config, { count: 'moe_num_experts', used: 'moe_k', ffn: 'moe_intermediate_size' });
        if (bias) throw config.unsupported('use_bias', true, ['false']);
        return {
          ...keys,
          ...ropeKeys(config, keys),
          ...biasKeys(bias, bias, bias),
          ...experts,
          expert_shared_feed_forward_length:
            Number(experts.expert_feed_forward_length) * (config.number('moe_num_shared_experts') ?? 0),
        };
      },
      tensor: withExperts(tensorNames({ block: { ffn_gate_inp: 'mlp.gate', ...sharedNames('mlp.shared_experts') } }), {
        choiceBias: 'mlp.moe_statics.e_score_correction_bias',
        count: 'moe_num_experts',
      }),
    },
  ],
  build: decoder((model, { headSize, layers }) => {
    const { metadata } = model;
    const turned = rotary(model, headSize, { layout: 'interleaved', folderLayout: 'interleaved', tables: 'none' });
    const activation = activationOf(model, 'silu');
    const dense = metadata.count('leading_dense_block_count', 0, 0, layers);
    const step = metadata.count('interleave_moe_layer_step', 1, 0) || 1;
    return {
      attention: { rotary: () => turned, outputBias: false },
      feedForward: { activation, gated: true },
      experts: readExperts(model, {
        activation,
        gating: 'softmax',
        normalize: true,
        shared: { ffn: metadata.count('expert_shared_feed_forward_length', 0, 0) },
      }),
      ...(model.fromFolder ? {} : { hasExperts: (layer: number) => layer >= dense && (layer + 1) % step === 0 }),
    };
  }),
};
