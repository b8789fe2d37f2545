/** Hunyuan (dense) and Hunyuan-MT: Llama's shape with norms of queries and keys after the rotary embedding. Tencent 2025. */
import type { Architecture } from './architecture.ts';
import { tensorNames } from './folders/family.ts';
import { hunyuanKeys, llamaDefaults } from './folders/llamaKeys.ts';
import { activationOf } from './parts/activationOf.ts';
import { decoder } from './parts/decoder.ts';
import { rotary } from './parts/rotary.ts';

export const hunyuanDense: Architecture = {
  name: 'hunyuan-dense',
  models: 'Hunyuan (dense), Hunyuan-MT',
  passesOver: ['expert_count', 'rope.dimension_sections'],
  folders: [
    {
      modelTypes: ['hunyuan_v1_dense'],
      defaults: { ...llamaDefaults, rms_norm_eps: 1e-5 },
      metadata: hunyuanKeys,
      tensor: tensorNames({
        block: { attn_q_norm: 'self_attn.query_layernorm', attn_k_norm: 'self_attn.key_layernorm' },
      }),
    },
  ],
  build: decoder((model, { headSize }) => {
    const turned = rotary(model, headSize, { layout: 'half' });
    return {
      attention: { rotary: () => turned, headNorm: { over: 'head', norm: { kind: 'rms' }, afterRope: true } },
      feedForward: { activation: activationOf(model, 'silu'), gated: true },
    };
  }),
};
