/** GPT-NeoX and Persimmon: queries, keys and values of a head are adjacent in one matrix. */
import type { FolderConfig } from './config.ts';
import { biasKeys, decoderKeys, type FolderTensor, ropeKeys, tensorNames } from './family.ts';
import { headsOf, isFused, withoutProjections } from './gpt2Names.ts';
import { groupedQkv } from './rowOrders.ts';

type Keys = Record<string, unknown>;

export function gptNeoxKeys(config: FolderConfig): Keys {
  const keys = decoderKeys(config, { layerNormEpsilon: 'layer_norm_eps' });
  const partialField = config.says('rotary_pct') ? 'rotary_pct' : 'partial_rotary_factor';
  const base = config.number('rotary_emb_base');
  const bias = config.flag('attention_bias');
  return {
    ...keys,
    ...ropeKeys(config, keys, { partialField, ...(base === undefined ? {} : { baseField: 'rotary_emb_base' }) }),
    ...biasKeys(bias, bias, true),
    use_parallel_residual: config.flag('use_parallel_residual'),
  };
}

const neoxNames = tensorNames({
  ends: { token_embd: 'embed_in', output_norm: 'final_layer_norm' },
  output: 'embed_out',
  block: {
    ...withoutProjections,
    attn_qkv: 'attention.query_key_value',
    attn_output: 'attention.dense',
    ffn_up: 'mlp.dense_h_to_4h',
    ffn_down: 'mlp.dense_4h_to_h',
  },
});

export function gptNeoxTensor(name: string, config: FolderConfig): FolderTensor {
  const tensor = neoxNames(name);
  if (!isFused(name)) return tensor;
  return { ...tensor, order: () => groupedQkv(headsOf(config, 'num_attention_heads', 'hidden_size')) };
}

export function persimmonKeys(config: FolderConfig): Keys {
  const keys = decoderKeys(config, { layerNormEpsilon: 'layer_norm_eps' });
  config.flag('qk_layernorm');
  return { ...keys, ...ropeKeys(config, keys) };
}

const persimmonNames = tensorNames({
  ends: { output_norm: 'final_layernorm' },
  block: {
    ...withoutProjections,
    attn_qkv: 'self_attn.query_key_value',
    attn_q_norm: 'self_attn.q_layernorm',
    attn_k_norm: 'self_attn.k_layernorm',
    attn_output: 'self_attn.dense',
    ffn_up: 'mlp.dense_h_to_4h',
    ffn_down: 'mlp.dense_4h_to_h',
  },
});

export function persimmonTensor(name: string, config: FolderConfig): FolderTensor {
  const tensor = persimmonNames(name);
  if (!isFused(name)) return tensor;
  return { ...tensor, order: () => groupedQkv(headsOf(config, 'num_attention_heads', 'hidden_size')) };
}
