/** Hunyuan A13B: Hunyuan's attention, experts and a shared feed-forward part in every block. Tencent 2025. */
import type { Architecture } from './architecture.ts';
import { expertKeys, sharedNames, withExperts } from './folders/expertKeys.ts';
import { tensorNames } from './folders/family.ts';
import { hunyuanKeys, llamaDefaults } from './folders/llamaKeys.ts';
import { activationOf } from './parts/activationOf.ts';
import { decoder } from './parts/decoder.ts';
import { readExperts } from './parts/experts.ts';
import { rotary } from './parts/rotary.ts';

export const hunyuanMoe: Architecture = {
  name: 'hunyuan-moe',
  models: 'Hunyuan A13B',
  folders: [
    {
      modelTypes: ['hunyuan_v1_moe'],
      defaults: { ...llamaDefaults, rms_norm_eps: 1e-5, num_experts: 1, moe_topk: 1 },
      metadata: (config) => ({ ...hunyuanKeys(config), ...expertKeys(config, { used: 'moe_topk' }) }),
      tensor: withExperts(
        tensorNames({
          block: {
            attn_q_norm: 'self_attn.query_layernorm',
            attn_k_norm: 'self_attn.key_layernorm',
            ffn_gate_inp: 'mlp.gate.wg',
            ...sharedNames('mlp.shared_mlp'),
          },
        }),
      ),
    },
  ],
  build: decoder((model, { headSize, ffn }) => {
    const turned = rotary(model, headSize, { layout: 'half' });
    const activation = activationOf(model, 'silu');
    const shared = { ffn: model.metadata.count('expert_shared_feed_forward_length', 0, 0) || ffn[0] };
    return {
      attention: { rotary: () => turned, headNorm: { over: 'head', norm: { kind: 'rms' }, afterRope: true } },
      feedForward: { activation, gated: true },
      experts: readExperts(model, { activation, gating: 'softmax', normalize: true, width: ffn[0], shared }),
    };
  }),
};
