/** BLOOM: older names of fields, fused projections by head. */
import type { FolderConfig } from './config.ts';
import { decoderKeys, type FolderTensor, tensorNames } from './family.ts';
import { headsOf, isFused, withoutProjections } from './gpt2Names.ts';
import { groupedQkv } from './rowOrders.ts';

type Keys = Record<string, unknown>;

export function bloomKeys(config: FolderConfig): Keys {
  const width = config.says('n_embed') ? 'n_embed' : 'hidden_size';
  const keys = decoderKeys(config, {
    layers: config.says('num_hidden_layers') ? 'num_hidden_layers' : 'n_layer',
    heads: config.says('num_attention_heads') ? 'num_attention_heads' : 'n_head',
    width,
    ffn: 'n_inner',
    context: 'seq_length',
    kvHeads: 'n_head',
    headSize: 'head_dim',
    activation: 'bloom_activation',
    layerNormEpsilon: 'layer_norm_epsilon',
  });
  if (config.flag('apply_residual_connection_post_layernorm'))
    throw config.unsupported('apply_residual_connection_post_layernorm', true, ['false']);
  return { ...keys, 'attention.head_count_kv': keys['attention.head_count'] };
}

const bloomNames = tensorNames({
  blocks: 'h',
  ends: { token_embd: 'word_embeddings', token_embd_norm: 'word_embeddings_layernorm', output_norm: 'ln_f' },
  block: {
    ...withoutProjections,
    attn_qkv: 'self_attention.query_key_value',
    attn_output: 'self_attention.dense',
    ffn_up: 'mlp.dense_h_to_4h',
    ffn_down: 'mlp.dense_4h_to_h',
  },
});

export function bloomTensor(name: string, config: FolderConfig): FolderTensor {
  const tensor = bloomNames(name);
  if (!isFused(name)) return tensor;
  const heads = config.says('num_attention_heads') ? 'num_attention_heads' : 'n_head';
  return {
    ...tensor,
    order: () => groupedQkv(headsOf(config, heads, config.says('n_embed') ? 'n_embed' : 'hidden_size')),
  };
}
