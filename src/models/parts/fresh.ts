/** Tensors of new models, shared by several architectures. */
import type { FreshRules } from '../architecture.ts';

export const weightOf = (name: string): string => `${name}.weight`;
export const withBias = (name: string): string[] => [`${name}.weight`, `${name}.bias`];

/** Tensors of Llama's decoder: rotary attention, rmsNorm, gated feed-forward. @param more additional tensors per block */
export function gatedDecoder(...more: readonly string[]): FreshRules {
  const attention = ['attn_norm', 'attn_q', 'attn_k', 'attn_v', 'attn_output'];
  const feedForward = ['ffn_norm', 'ffn_gate', 'ffn_up', 'ffn_down'];
  return {
    metadata: ({ headSize, normEpsilon, ropeBase }) => ({
      'attention.layer_norm_rms_epsilon': normEpsilon,
      'attention.key_length': headSize,
      'attention.value_length': headSize,
      'rope.dimension_count': headSize,
      'rope.freq_base': ropeBase,
    }),
    ends: ['token_embd', 'output_norm'].map(weightOf),
    block: [...[...attention, ...feedForward].map(weightOf), ...more],
  };
}
