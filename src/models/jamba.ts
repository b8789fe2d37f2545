/** Jamba: Mamba in most blocks, attention without a rotary embedding in the others, experts in some. AI21 2024 (arXiv 2403.19887). */
import type { Architecture } from './architecture.ts';
import type { FolderConfig } from './folders/config.ts';
import { expertKeys, withExperts } from './folders/expertKeys.ts';
import { biasKeys, decoderKeys } from './folders/family.ts';
import { mambaTensor } from './folders/mambaKeys.ts';
import { decoder } from './parts/decoder.ts';
import { readExperts } from './parts/experts.ts';
import { mamba, readMamba } from './parts/mamba.ts';

function jambaKeys(config: FolderConfig): Record<string, unknown> {
  const keys = decoderKeys(config);
  const layers = Number(keys.block_count);
  const [period, offset] = [config.count('attn_layer_period'), config.number('attn_layer_offset') ?? 0];
  const width = config.count('hidden_size');
  const rank = config.value('mamba_dt_rank');
  // a block has experts if the folder has their tensors
  for (const field of ['expert_layer_period', 'expert_layer_offset', 'mamba_conv_bias', 'mamba_proj_bias'])
    config.value(field);
  return {
    ...keys,
    ...biasKeys(false, false, false),
    ...(config.count('num_experts') > 1 ? expertKeys(config) : {}),
    'attention.head_count_kv': Array.from({ length: layers }, (_, layer) =>
      layer % period === offset ? Number(keys['attention.head_count_kv']) : 0,
    ),
    'ssm.conv_kernel': config.count('mamba_d_conv'),
    'ssm.state_size': config.count('mamba_d_state'),
    'ssm.inner_size': config.count('mamba_expand') * width,
    'ssm.time_step_rank': rank === 'auto' ? Math.ceil(width / 16) : config.count('mamba_dt_rank'),
  };
}

export const jamba: Architecture = {
  name: 'jamba',
  models: 'Jamba',
  passesOver: ['attention.recurrent_layers'],
  folders: [
    {
      modelTypes: ['jamba'],
      defaults: {
        hidden_size: 4096,
        intermediate_size: 14336,
        num_hidden_layers: 32,
        num_attention_heads: 32,
        num_key_value_heads: 8,
        hidden_act: 'silu',
        rms_norm_eps: 1e-6,
        max_position_embeddings: 262144,
        num_experts_per_tok: 2,
        num_experts: 16,
        attn_layer_period: 8,
        attn_layer_offset: 4,
        mamba_d_state: 16,
        mamba_d_conv: 4,
        mamba_expand: 2,
        mamba_dt_rank: 'auto',
      },
      metadata: jambaKeys,
      tensor: withExperts(
        mambaTensor({
          mixer: 'mamba',
          block: {
            ffn_norm: 'pre_ff_layernorm',
            ffn_gate: 'feed_forward.gate_proj',
            ffn_up: 'feed_forward.up_proj',
            ffn_down: 'feed_forward.down_proj',
            ffn_gate_inp: 'feed_forward.router',
          },
          ends: { output_norm: 'final_layernorm' },
        }),
        { experts: 'feed_forward.experts' },
      ),
    },
  ],
  build: decoder((model, dimensions) => {
    const sizes = readMamba(model);
    return {
      mixer: (x, layer) => (dimensions.kvHeads[layer] === 0 ? mamba(model, x, layer, sizes) : undefined),
      attention: { outputBias: false },
      feedForward: { activation: 'silu', gated: true, bias: false },
      experts: readExperts(model, { gating: 'softmax', normalize: false, width: dimensions.ffn[0] }),
    };
  }),
};
