/** GPT-2, whose Conv1D stores matrices [inputs, outputs], and StarCoder (GPT-BigCode). */
import type { FolderConfig } from './config.ts';
import { decoderKeys, type FolderTensor, tensorNames } from './family.ts';
import { gpt2Fields, gpt2Names, headsOf, isFused } from './gpt2Names.ts';
import { groupedQkv } from './rowOrders.ts';

type Keys = Record<string, unknown>;

export function gpt2Keys(config: FolderConfig): Keys {
  return {
    ...decoderKeys(config, gpt2Fields),
    'attention.unscaled': !config.flag('scale_attn_weights'),
    'attention.scale_by_layer': config.flag('scale_attn_by_inverse_layer_idx'),
  };
}

export const gpt2Tensor = tensorNames({
  ...gpt2Names,
  transposed: /^blk\.\d+\.(attn_qkv|attn_output|ffn_up|ffn_down)\.weight$/,
});

export function gptBigcodeKeys(config: FolderConfig): Keys {
  const keys = decoderKeys(config, gpt2Fields);
  if (!config.flag('scale_attn_weights')) throw config.unsupported('scale_attn_weights', false, ['true']);
  const heads = config.flag('multi_query') ? 1 : keys['attention.head_count'];
  return { ...keys, 'attention.head_count_kv': heads };
}

export function gptBigcodeTensor(name: string, config: FolderConfig): FolderTensor {
  const tensor = tensorNames(gpt2Names)(name);
  if (!isFused(name) || config.flag('multi_query')) return tensor;
  return { ...tensor, order: () => groupedQkv(headsOf(config, 'n_head', 'n_embd')) };
}
