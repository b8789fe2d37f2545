/** OLMo 2 and 3: norms after the branches instead of before them, norms over all queries and all keys; OLMo 3 has local layers. OLMo team 2025 (arXiv 2501.00656). */
import type { Architecture } from './architecture.ts';
import { tensorNames } from './folders/family.ts';
import { llamaDefaults, llamaKeys, olmo3Keys } from './folders/llamaKeys.ts';
import { activationOf } from './parts/activationOf.ts';
import { decoder } from './parts/decoder.ts';
import { rotary } from './parts/rotary.ts';
import { windows } from './parts/windows.ts';

export const olmo2: Architecture = {
  name: 'olmo2',
  models: 'OLMo 2, 3',
  folders: [
    {
      modelTypes: ['olmo2'],
      defaults: { ...llamaDefaults, rms_norm_eps: 1e-5 },
      metadata: llamaKeys,
      tensor: tensorNames({
        block: {
          attn_norm: '',
          ffn_norm: '',
          post_attention_norm: 'post_attention_layernorm',
          post_ffw_norm: 'post_feedforward_layernorm',
          attn_q_norm: 'self_attn.q_norm',
          attn_k_norm: 'self_attn.k_norm',
        },
      }),
    },
    {
      modelTypes: ['olmo3'],
      defaults: { ...llamaDefaults, rms_norm_eps: 1e-5, sliding_window: 4096, rope_theta: 500000 },
      metadata: olmo3Keys,
      tensor: tensorNames({
        block: {
          attn_norm: '',
          ffn_norm: '',
          post_attention_norm: 'post_attention_layernorm',
          post_ffw_norm: 'post_feedforward_layernorm',
          attn_q_norm: 'self_attn.q_norm',
          attn_k_norm: 'self_attn.k_norm',
        },
      }),
    },
  ],
  build: decoder((model, dimensions) => {
    const { headSize } = dimensions;
    const window = windows(model, dimensions, { period: 4 });
    const global = rotary(model, headSize, { layout: 'half', tables: 'none' });
    const local = rotary(model, headSize, {
      layout: 'half',
      tables: 'none',
      ...(model.fromFolder ? { local: true } : { unscaled: true }),
    });
    return {
      norms: 'after',
      attention: {
        rotary: (layer) => (window.isLocal(layer) ? local : global),
        window: window.of,
        headNorm: { over: 'all', norm: { kind: 'rms' } },
      },
      feedForward: { activation: activationOf(model, 'silu'), gated: true },
      tied: false,
    };
  }),
};
