/** Fields and tensor names of folders that descend from GPT-2's. */
import { MOST_HEADS } from '../limits.ts';
import type { FolderConfig } from './config.ts';

/** Names of the fields in configs that descend from GPT-2's. */
export const gpt2Fields = {
  layers: 'n_layer',
  width: 'n_embd',
  heads: 'n_head',
  ffn: 'n_inner',
  context: 'n_positions',
  activation: 'activation_function',
  layerNormEpsilon: 'layer_norm_epsilon',
};

/** Names of the tensors in folders that descend from GPT-2's. */
export const gpt2Names = {
  blocks: 'h',
  ends: { token_embd: 'wte', position_embd: 'wpe', output_norm: 'ln_f' },
  block: {
    attn_norm: 'ln_1',
    attn_qkv: 'attn.c_attn',
    attn_q: '',
    attn_k: '',
    attn_v: '',
    attn_output: 'attn.c_proj',
    ffn_norm: 'ln_2',
    ffn_gate: '',
    ffn_up: 'mlp.c_fc',
    ffn_down: 'mlp.c_proj',
  },
};

export const withoutProjections = { attn_q: '', attn_k: '', attn_v: '', ffn_gate: '' };

export function headsOf(config: FolderConfig, headsField: string, widthField: string) {
  const heads = config.count(headsField, MOST_HEADS);
  return { heads, kvHeads: heads, headSize: Math.floor(config.count(widthField) / Math.max(1, heads)) };
}

export const isFused = (name: string): boolean => /\.attn_qkv\.(weight|bias)$/.test(name);
