/** Nemotron H: each block is one of Mamba 2, attention without a rotary embedding, or a feed-forward part. NVIDIA 2025 (arXiv 2504.03624). */
import type { Architecture } from './architecture.ts';
import type { FolderConfig } from './folders/config.ts';
import { deepSeekExpertFields, expertKeys, withExperts } from './folders/expertKeys.ts';
import { biasKeys, decoderKeys } from './folders/family.ts';
import { mambaTensor, timeStepLimits } from './folders/mambaKeys.ts';
import { decoder } from './parts/decoder.ts';
import { readExperts } from './parts/experts.ts';
import { mamba2, readMamba } from './parts/mamba.ts';

const build = decoder((model, dimensions) => {
  const { metadata } = model;
  const { ffn, kvHeads } = dimensions;
  const sizes = readMamba(model);
  const widest = Math.max(...ffn);
  return {
    norm: { kind: 'rms', epsilon: sizes.epsilon },
    feedForwardNorm: () => 'attn_norm',
    mixer: (x, layer) => (kvHeads[layer] === 0 ? mamba2(model, x, layer, sizes) : undefined),
    hasMixer: (layer) => ffn[layer] === 0,
    attention: {},
    feedForward: { activation: 'relu2', gated: false, bias: 'optional', scaled: true },
    experts: readExperts(model, {
      activation: 'relu2',
      gating: 'sigmoid',
      scaled: true,
      ffn: Math.floor(widest / (metadata.count('expert_used_count', 1, 0) || 1)),
      shared: { ffn: metadata.count('expert_shared_feed_forward_length', 0, 0), plain: true },
    }),
  };
});

function nemotronHKeys(config: FolderConfig): Record<string, unknown> {
  const types = blockTypes(config);
  const heads = config.count('num_key_value_heads');
  const inner = config.count('mamba_num_heads') * config.count('mamba_head_dim');
  const bias = config.flag('attention_bias');
  const names = { layers: types.length, rmsEpsilon: 'layer_norm_epsilon', activation: 'mlp_hidden_act' };
  const keys = decoderKeys(config, names);
  const experts = moeKeys(config);
  const hasExperts = types.includes('moe');
  const active = config.count('moe_intermediate_size') * config.count('num_experts_per_tok');
  for (const field of ['use_bias', 'mamba_proj_bias', 'use_conv_bias', 'expand', 'sliding_window', ...withoutEffect])
    config.value(field);
  const act = config.value('mamba_hidden_act');
  if (act !== undefined && act !== 'silu') throw config.unsupported('mamba_hidden_act', act, ['silu']);
  if (config.text('mlp_hidden_act') !== 'relu2')
    throw config.unsupported('mlp_hidden_act', config.value('mlp_hidden_act'), ['relu2']);
  return {
    ...keys,
    ...biasKeys(bias, bias, config.flag('mlp_bias')),
    'attention.head_count_kv': types.map((type) => (type === 'attention' ? heads : 0)),
    feed_forward_length: types.map((type) =>
      type === 'mlp' ? config.count('intermediate_size') : type === 'moe' ? active : 0,
    ),
    ...(hasExperts ? experts : {}),
    'ssm.conv_kernel': config.count('conv_kernel'),
    'ssm.state_size': config.count('ssm_state_size'),
    'ssm.inner_size': inner,
    'ssm.time_step_rank': config.count('mamba_num_heads'),
    'ssm.group_count': config.count('n_groups'),
    ...timeStepLimits(config, config.number('time_step_min')),
  };
}

function moeKeys(config: FolderConfig): Record<string, unknown> {
  const latent = config.value('moe_latent_size');
  if (latent) throw config.unsupported('moe_latent_size', latent, ['null']);
  return {
    ...expertKeys(config, deepSeekExpertFields, 2),
    expert_shared_feed_forward_length:
      config.count('moe_shared_expert_intermediate_size') * (config.number('n_shared_experts') ?? 1),
  };
}

/** Fields that are about kernels, training or blocks that are left out. */
const withoutEffect = ['moe_shared_expert_overlap', 'mtp_layers_block_type', 'num_nextn_predict_layers'];

/** Kinds of the blocks, which older configs write as characters: M, *, -. */
function blockTypes(config: FolderConfig): string[] {
  const letters: Readonly<Record<string, string>> = { M: 'mamba', '*': 'attention', '-': 'mlp', E: 'moe' };
  const listed = config.list('layers_block_type') ?? config.list('layer_types');
  const pattern = config.text('hybrid_override_pattern');
  const types = listed ?? Array.from(pattern ?? '', (letter) => letters[letter] ?? letter);
  return types.map((type) => {
    if (type === 'mamba' || type === 'linear_attention') return 'mamba';
    if (type === 'attention' || type === 'full_attention') return 'attention';
    if (type === 'mlp' || type === 'moe') return type;
    throw config.unsupported('layers_block_type', type, ['mamba', 'attention', 'mlp', 'moe']);
  });
}

const defaults = {
  hidden_size: 4096,
  intermediate_size: 21504,
  num_attention_heads: 32,
  num_key_value_heads: 8,
  head_dim: 128,
  max_position_embeddings: 4096,
  mlp_hidden_act: 'relu2',
  layer_norm_epsilon: 1e-5,
  ssm_state_size: 128,
  mamba_num_heads: 128,
  mamba_head_dim: 64,
  n_groups: 8,
  conv_kernel: 4,
  time_step_min: 0.001,
  n_routed_experts: 8,
  n_shared_experts: 1,
  moe_intermediate_size: 7688,
  moe_shared_expert_intermediate_size: 7688,
  num_experts_per_tok: 2,
  routed_scaling_factor: 1,
  n_group: 1,
  topk_group: 1,
  norm_topk_prob: true,
};

const tensor = withExperts(
  mambaTensor({
    mixer: 'mixer',
    block: {
      attn_norm: 'norm',
      attn_q: 'mixer.q_proj',
      attn_k: 'mixer.k_proj',
      attn_v: 'mixer.v_proj',
      attn_output: 'mixer.o_proj',
      ffn_up: 'mixer.up_proj',
      ffn_down: 'mixer.down_proj',
      ffn_gate_inp: 'mixer.gate',
      ffn_up_shexp: 'mixer.shared_experts.up_proj',
      ffn_down_shexp: 'mixer.shared_experts.down_proj',
    },
    ends: { token_embd: 'embeddings', output_norm: 'norm_f' },
  }),
  { experts: 'mixer.experts', choiceBias: 'mixer.gate.e_score_correction_bias', count: 'n_routed_experts' },
);

export const nemotronH: Architecture = {
  name: 'nemotron_h',
  models: 'Nemotron H',
  passesOver: ['attention.recurrent_layers'],
  passesOverTensors: /^mtp\./,
  folders: [
    {
      modelTypes: ['nemotron_h'],
      defaults,
      metadata: nemotronHKeys,
      tensor,
    },
  ],
  build,
};

export const nemotronHMoe: Architecture = {
  name: 'nemotron_h_moe',
  models: 'Nemotron H MoE (Nano 3)',
  passesOver: ['attention.recurrent_layers'],
  build,
};
