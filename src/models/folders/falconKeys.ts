/** Falcon: three layouts of the fused projections. */
import type { FolderConfig } from './config.ts';
import { biasKeys, decoderKeys, type FolderTensor, ropeKeys, tensorNames } from './family.ts';
import { headsOf, isFused, withoutProjections } from './gpt2Names.ts';
import { groupedQkv } from './rowOrders.ts';

type Keys = Record<string, unknown>;

export function falconKeys(config: FolderConfig): Keys {
  const keys = decoderKeys(config, {
    ffn: 'ffn_hidden_size',
    kvHeads: 'num_kv_heads',
    activation: 'activation',
    layerNormEpsilon: 'layer_norm_epsilon',
  });
  const bias = config.flag('bias');
  const isNew = config.flag('new_decoder_architecture');
  const heads = isNew ? keys['attention.head_count_kv'] : config.flag('multi_query') ? 1 : keys['attention.head_count'];
  // transformers computes it in bfloat16
  if (config.flag('alibi')) throw config.unsupported('alibi', true, ['false']);
  return {
    ...keys,
    ...ropeKeys(config, keys),
    ...biasKeys(bias, bias, bias),
    'attention.head_count_kv': heads,
    use_parallel_residual: isNew || config.flag('parallel_attn'),
  };
}

export function falconTensor(name: string, config: FolderConfig): FolderTensor {
  const isNew = config.flag('new_decoder_architecture');
  const two = isNew && (config.number('num_ln_in_parallel_attn') ?? 2) === 2;
  const tensor = tensorNames({
    blocks: 'h',
    ends: { token_embd: 'word_embeddings', output_norm: 'ln_f' },
    block: {
      ...withoutProjections,
      attn_norm: two ? 'ln_mlp' : 'input_layernorm',
      ...(two ? { attn_norm_2: 'ln_attn' } : {}),
      ffn_norm: 'post_attention_layernorm',
      attn_qkv: 'self_attention.query_key_value',
      attn_output: 'self_attention.dense',
      ffn_up: 'mlp.dense_h_to_4h',
      ffn_down: 'mlp.dense_4h_to_h',
    },
  })(name);
  if (!isFused(name) || (!isNew && config.flag('multi_query'))) return tensor;
  const heads = headsOf(config, 'num_attention_heads', 'hidden_size');
  const kvHeads = isNew ? (config.number('num_kv_heads') ?? heads.heads) : heads.heads;
  return { ...tensor, order: () => groupedQkv({ ...heads, kvHeads }) };
}
