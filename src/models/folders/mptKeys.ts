/** MPT: attn_config. */
import type { FolderConfig } from './config.ts';
import { decoderKeys, tensorNames } from './family.ts';
import { withoutProjections } from './gpt2Names.ts';

type Keys = Record<string, unknown>;

export function mptKeys(config: FolderConfig): Keys {
  const keys = decoderKeys(config, {
    layers: 'n_layers',
    width: 'd_model',
    heads: 'n_heads',
    ffn: 'ffn_hidden_size',
    context: 'max_seq_len',
    kvHeads: 'n_kv_heads',
    activation: 'mpt_activation',
    layerNormEpsilon: 'layer_norm_epsilon',
  });
  const attention = config.object('attn_config') ?? {};
  const isOn = (field: string): boolean => attention[field] === true;
  if (isOn('qk_ln')) throw config.unsupported('attn_config.qk_ln', true, ['false']);
  if (isOn('prefix_lm')) throw config.unsupported('attn_config.prefix_lm', true, ['false']);
  const { clip_qkv: clip, softmax_scale: scale, alibi_bias_max: most = 8, alibi = true } = attention;
  if (config.value('logit_scale') !== undefined)
    throw config.unsupported('logit_scale', config.value('logit_scale'), ['null']);
  return {
    ...keys,
    // the class in transformers does not look at expansion_ratio
    feed_forward_length: 4 * Number(keys.embedding_length),
    bias: false,
    // transformers' code never has learned positions
    learned_positions: false,
    'attention.clamp_kqv': clip ?? 0,
    'attention.scale': scale ?? undefined,
    'attention.max_alibi_bias': alibi === false ? 0 : most,
  };
}

export const mptTensor = tensorNames({
  blocks: 'blocks',
  ends: { token_embd: 'wte', position_embd: 'wpe', output_norm: 'norm_f' },
  block: {
    ...withoutProjections,
    attn_norm: 'norm_1',
    ffn_norm: 'norm_2',
    attn_qkv: 'attn.Wqkv',
    attn_output: 'attn.out_proj',
    ffn_up: 'ffn.up_proj',
    ffn_down: 'ffn.down_proj',
  },
});
