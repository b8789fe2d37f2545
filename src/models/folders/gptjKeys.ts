/** GPT-J and CodeGen: partial rotary embedding, one norm per block. */
import type { FolderConfig } from './config.ts';
import { decoderKeys, type FolderTensor, ropeKeysOf, tensorNames } from './family.ts';
import { gpt2Fields, gpt2Names, headsOf, isFused } from './gpt2Names.ts';
import { codegenQkv } from './rowOrders.ts';

type Keys = Record<string, unknown>;

export function gptjKeys(config: FolderConfig): Keys {
  const keys = decoderKeys(config, gpt2Fields);
  const headSize = Number(keys['attention.key_length']);
  const turned = config.number('rotary_dim') ?? headSize;
  return {
    ...keys,
    ...ropeKeysOf({ base: 10000, scaling: undefined, partial: 1 }, headSize),
    'rope.dimension_count': turned,
  };
}

const gptjNames = {
  ...gpt2Names,
  block: {
    ...gpt2Names.block,
    attn_qkv: '',
    attn_q: 'attn.q_proj',
    attn_k: 'attn.k_proj',
    attn_v: 'attn.v_proj',
    attn_output: 'attn.out_proj',
    ffn_norm: '',
    ffn_up: 'mlp.fc_in',
    ffn_down: 'mlp.fc_out',
  },
};
export const gptjTensor = tensorNames(gptjNames);

export function codegenTensor(name: string, config: FolderConfig): FolderTensor {
  const block = { ...gptjNames.block, attn_qkv: 'attn.qkv_proj', attn_q: '', attn_k: '', attn_v: '' };
  const tensor = tensorNames({ ...gptjNames, block })(name);
  return isFused(name) ? { ...tensor, order: () => codegenQkv(headsOf(config, 'n_head', 'n_embd')) } : tensor;
}
