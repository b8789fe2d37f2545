/** EXAONE 3 and 3.5: Llama's shape. LG AI Research 2024 (arXiv 2412.04862). */
import type { Architecture } from './architecture.ts';
import { tensorNames } from './folders/family.ts';
import { llamaKeys } from './folders/llamaKeys.ts';
import { activationOf } from './parts/activationOf.ts';
import { decoder } from './parts/decoder.ts';
import { rotary } from './parts/rotary.ts';

/** Published folders have names of their own, converted ones those of Llama. */
const llamaNames = tensorNames();
const ownNames = tensorNames({
  blocks: 'h',
  ends: { token_embd: 'wte', output_norm: 'ln_f' },
  block: {
    attn_norm: 'ln_1',
    attn_q: 'attn.attention.q_proj',
    attn_k: 'attn.attention.k_proj',
    attn_v: 'attn.attention.v_proj',
    attn_output: 'attn.attention.out_proj',
    ffn_norm: 'ln_2',
    ffn_gate: 'mlp.c_fc_0',
    ffn_up: 'mlp.c_fc_1',
    ffn_down: 'mlp.c_proj',
  },
});

export const exaone: Architecture = {
  name: 'exaone',
  models: 'EXAONE 3, 3.5',
  folders: [
    {
      modelTypes: ['exaone'],
      defaults: {
        hidden_size: 4096,
        intermediate_size: 14336,
        num_hidden_layers: 32,
        num_attention_heads: 32,
        num_key_value_heads: 8,
        hidden_act: 'silu',
        max_position_embeddings: 4096,
        rms_norm_eps: 1e-5,
        rope_theta: 500000,
      },
      metadata: llamaKeys,
      tensor: (name) => ({ names: [...llamaNames(name).names, ...ownNames(name).names] }),
    },
  ],
  build: decoder((model, { headSize }) => {
    const turned = rotary(model, headSize, { layout: 'half', tables: 'frequencies' });
    return {
      attention: { rotary: () => turned },
      feedForward: { activation: activationOf(model, 'silu'), gated: true, bias: 'optional' },
    };
  }),
};
