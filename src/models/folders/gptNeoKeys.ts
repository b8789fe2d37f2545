/** GPT-Neo: attention_types, and GPT-2's names with separate projections. */
import type { FolderConfig } from './config.ts';
import { decoderKeys, tensorNames } from './family.ts';
import { gpt2Names } from './gpt2Names.ts';

type Keys = Record<string, unknown>;

export function gptNeoKeys(config: FolderConfig): Keys {
  const keys = decoderKeys(config, {
    layers: 'num_layers',
    heads: 'num_heads',
    activation: 'activation_function',
    layerNormEpsilon: 'layer_norm_epsilon',
  });
  const kinds = attentionKinds(config, Number(keys.block_count));
  return {
    ...keys,
    'attention.sliding_window': config.count('window_size'),
    'attention.sliding_window_pattern': kinds.map((kind) => Number(kind === 'local')),
  };
}

/** `attention_types` written out: [[['global', 'local'], 4]]. */
function attentionKinds(config: FolderConfig, layers: number): string[] {
  const types = config.list('attention_types');
  const listed = config.list('attention_layers');
  const kinds: unknown[] = [];
  for (const entry of types ?? []) {
    const [pattern, times] = Array.isArray(entry) ? entry : [];
    if (!Array.isArray(pattern) || pattern.length === 0 || typeof times !== 'number')
      throw config.wrong('attention_types', 'pairs of kinds and a count', types);
    for (let i = 0; i < times && kinds.length < layers; i++) kinds.push(...pattern.slice(0, layers));
  }
  // transformers prefers attention_types; without either field, layers alternate
  const found = types
    ? kinds
    : (listed ?? Array.from({ length: layers }, (_, layer) => ['global', 'local'][layer % 2]));
  if (found.length < layers) throw config.wrong('attention_types', `kinds of ${layers} layers`, types ?? listed);
  return found.slice(0, layers).map((kind) => {
    if (kind !== 'global' && kind !== 'local') throw config.unsupported('attention_types', kind, ['global', 'local']);
    return kind;
  });
}

export const gptNeoTensor = tensorNames({
  ...gpt2Names,
  block: {
    ...gpt2Names.block,
    attn_qkv: '',
    attn_q: 'attn.attention.q_proj',
    attn_k: 'attn.attention.k_proj',
    attn_v: 'attn.attention.v_proj',
    attn_output: 'attn.attention.out_proj',
  },
});
