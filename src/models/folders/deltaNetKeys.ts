/** Folders of Qwen 3 Next and Qwen 3.5, whose blocks have linear or full attention. */
import type { FolderConfig } from './config.ts';
import { biasKeys, decoderKeys, type FolderTensor, ropeKeys, tensorNames } from './family.ts';
import { rowsOfGroups } from './rowOrders.ts';

/** Default fields that both families have. */
export const deltaNetDefaults = {
  hidden_act: 'silu',
  max_position_embeddings: 32768,
  rms_norm_eps: 1e-6,
  head_dim: 256,
  linear_conv_kernel_dim: 4,
  linear_key_head_dim: 128,
  linear_value_head_dim: 128,
  linear_num_key_heads: 16,
  linear_num_value_heads: 32,
  full_attention_interval: 4,
  rope_theta: 10000,
};

/** @param fields names of `decoderKeys` */
export function deltaNetKeys(config: FolderConfig, fields: { ffn?: string } = {}): Record<string, unknown> {
  const keys = decoderKeys(config, fields);
  const layers = Number(keys.block_count);
  const bias = config.flag('attention_bias');
  const heads = config.count('linear_num_value_heads');
  return {
    ...keys,
    ...ropeKeys(config, keys, { partial: 0.25 }),
    ...biasKeys(bias, bias, false),
    'attention.recurrent_layers': recurrentLayers(config, layers),
    'ssm.conv_kernel': config.count('linear_conv_kernel_dim'),
    'ssm.state_size': config.count('linear_key_head_dim'),
    'ssm.group_count': config.count('linear_num_key_heads'),
    'ssm.time_step_rank': heads,
    'ssm.inner_size': heads * config.count('linear_value_head_dim'),
  };
}

function recurrentLayers(config: FolderConfig, layers: number): number[] {
  const types = config.list('layer_types');
  const interval = config.count('full_attention_interval');
  if (types && types.length < layers)
    throw config.wrong('layer_types', `a list of ${layers}, one for each layer`, types);
  return Array.from({ length: layers }, (_, layer) => {
    const type = types?.[layer] ?? ((layer + 1) % interval === 0 ? 'full_attention' : 'linear_attention');
    if (type !== 'linear_attention' && type !== 'full_attention')
      throw config.unsupported('layer_types', type, ['full_attention', 'linear_attention']);
    return type === 'linear_attention' ? 1 : 0;
  });
}

const named = tensorNames({
  block: {
    ffn_norm: '',
    post_attention_norm: 'post_attention_layernorm',
    attn_q_norm: 'self_attn.q_norm',
    attn_k_norm: 'self_attn.k_norm',
    attn_qkv: 'linear_attn.in_proj_qkv',
    attn_gate: 'linear_attn.in_proj_z',
    ssm_beta: 'linear_attn.in_proj_b',
    ssm_alpha: 'linear_attn.in_proj_a',
    ssm_ba: 'linear_attn.in_proj_ba',
    ssm_conv1d: 'linear_attn.conv1d',
    ssm_norm: 'linear_attn.norm',
    ssm_out: 'linear_attn.out_proj',
    ffn_gate_inp: 'mlp.gate',
    ffn_gate_inp_shexp: 'mlp.shared_expert_gate',
    ffn_gate_shexp: 'mlp.shared_expert.gate_proj',
    ffn_up_shexp: 'mlp.shared_expert.up_proj',
    ffn_down_shexp: 'mlp.shared_expert.down_proj',
  },
  plusOne: /(attn|post_attention|output|attn_[qk])_norm\.weight$/,
});

/** A is stored as its logarithm. */
export const minusExp = (value: number): number => -Math.exp(value);

export function deltaNetTensor(name: string): FolderTensor {
  const vector = /^blk\.(\d+)\.ssm_(a|dt\.bias)$/.exec(name);
  if (!vector) return named(name);
  const folder = `layers.${vector[1]}.linear_attn`;
  return vector[2] === 'a' ? { names: [`${folder}.A_log`], change: minusExp } : { names: [`${folder}.dt_bias`] };
}

/** Qwen 3 Next stores queries, keys, values and gates of each key head together. */
export function fusedDeltaNetTensor(name: string, config: FolderConfig): FolderTensor {
  const part = /^blk\.(\d+)\.attn_(qkv|gate)\.weight$/.exec(name);
  if (!part) return deltaNetTensor(name);
  const keyHeads = config.count('linear_num_key_heads');
  const key = config.count('linear_key_head_dim');
  const values = (config.count('linear_num_value_heads') / keyHeads) * config.count('linear_value_head_dim');
  const all = [key, key, values, values];
  return {
    names: [`layers.${part[1]}.linear_attn.in_proj_qkvz.weight`],
    order: () => rowsOfGroups(keyHeads, all, part[2] === 'gate' ? [3] : [0, 1, 2]),
  };
}
