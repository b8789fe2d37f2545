/** Trinity (AFMoE): gated attention, norms around the branches, three of four layers local and only these with a rotary embedding, experts and a shared expert. Arcee AI 2025. */
import type { Architecture } from './architecture.ts';
import type { FolderConfig } from './folders/config.ts';
import { expertKeys, sharedNames, withExperts } from './folders/expertKeys.ts';
import { biasKeys, decoderKeys, ropeKeys, tensorNames, windowKeys } from './folders/family.ts';
import { decoder } from './parts/decoder.ts';
import { readExperts } from './parts/experts.ts';
import { rotary } from './parts/rotary.ts';
import { windows } from './parts/windows.ts';

/** Layers without a rotary embedding, as in llama.cpp, where no key says so. */
const PERIOD = 4;

function afmoeKeys(config: FolderConfig): Record<string, unknown> {
  const keys = decoderKeys(config);
  const layers = Number(keys.block_count);
  const period = config.count('global_attn_every_n_layers');
  const bias = config.flag('attention_bias');
  // a block has experts if the folder has their tensors
  config.value('num_dense_layers');
  return {
    ...keys,
    ...ropeKeys(config, keys),
    ...biasKeys(bias, bias, false),
    ...windowKeys(config, layers, (layer) => (layer + 1) % period !== 0),
    ...expertKeys(config, { ffn: 'moe_intermediate_size', scale: 'route_scale' }, 2),
    expert_weights_norm: true,
    expert_shared_count: config.number('num_shared_experts') ?? 0,
    embedding_scaled: config.flag('mup_enabled'),
  };
}

export const afmoe: Architecture = {
  name: 'afmoe',
  models: 'Trinity',
  folders: [
    {
      modelTypes: ['afmoe'],
      defaults: {
        hidden_size: 2048,
        intermediate_size: 6144,
        num_hidden_layers: 32,
        num_attention_heads: 16,
        head_dim: 128,
        hidden_act: 'silu',
        max_position_embeddings: 16384,
        rms_norm_eps: 1e-5,
        moe_intermediate_size: 1408,
        num_experts: 64,
        num_experts_per_tok: 6,
        num_shared_experts: 2,
        route_scale: 1,
        global_attn_every_n_layers: PERIOD,
        sliding_window: 1024,
        rope_theta: 10000,
      },
      metadata: afmoeKeys,
      tensor: withExperts(
        tensorNames({
          block: {
            attn_q_norm: 'self_attn.q_norm',
            attn_k_norm: 'self_attn.k_norm',
            attn_gate: 'self_attn.gate_proj',
            post_attention_norm: 'post_attention_layernorm',
            ffn_norm: 'pre_mlp_layernorm',
            post_ffw_norm: 'post_mlp_layernorm',
            ffn_gate_inp: 'mlp.router.gate',
            ...sharedNames('mlp.shared_experts'),
          },
        }),
        { choiceBias: 'mlp.expert_bias' },
      ),
    },
  ],
  build: decoder((model, dimensions) => {
    const { metadata } = model;
    const { headSize, width } = dimensions;
    const window = windows(model, dimensions, { period: PERIOD });
    const [global, local] = [false, true].map((isLocal) =>
      rotary(model, headSize, { layout: 'half', tables: 'none', local: isLocal, localScaling: true }),
    );
    const shared = { ffn: metadata.count('expert_feed_forward_length') * metadata.count('expert_shared_count', 0, 0) };
    const isStated = metadata.count('expert_gating_func', 0, 0) > 0;
    return {
      norms: 'around',
      attention: {
        rotary: (layer) => {
          if (model.fromFolder) return window.isLocal(layer) ? local : undefined;
          return (layer + 1) % PERIOD === 0 ? undefined : window.isLocal(layer) ? local : global;
        },
        window: window.of,
        headNorm: { over: 'head', norm: { kind: 'rms' } },
        gated: true,
      },
      feedForward: { activation: 'silu', gated: true },
      experts: readExperts(model, { shared, ...(isStated ? {} : { gating: 'sigmoid' }) }),
      embeddingScale: metadata.flag('embedding_scaled', true) ? Math.sqrt(width) : 1,
    };
  }),
};
