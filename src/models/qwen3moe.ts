/** Qwen 3 MoE and Qwen 3 VL MoE (text): Qwen 3's attention, experts in every block. Qwen team 2025 (arXiv 2505.09388). */
import type { Architecture } from './architecture.ts';
import type { FolderConfig } from './folders/config.ts';
import { expertKeys, withExperts } from './folders/expertKeys.ts';
import { tensorNames } from './folders/family.ts';
import { qwen2Keys } from './folders/llamaKeys.ts';
import { activationOf } from './parts/activationOf.ts';
import { decoder } from './parts/decoder.ts';
import { readExperts } from './parts/experts.ts';
import { rotary } from './parts/rotary.ts';
import { windows } from './parts/windows.ts';

/** transformers 5 writes the number of experts under another name. */
const countOf = (config: FolderConfig): string =>
  config.says('num_local_experts') ? 'num_local_experts' : 'num_experts';

/** @param scaled true if llama.cpp reads the experts' factors */
const build = (scaled: boolean) =>
  decoder((model, dimensions) => {
    const { metadata } = model;
    const turned = rotary(model, dimensions.headSize, { layout: 'half', tables: 'none' });
    const activation = activationOf(model, 'silu');
    return {
      attention: {
        rotary: () => turned,
        window: model.fromFolder ? windows(model, dimensions, { period: 0 }).of : undefined,
        headNorm: { over: 'head', norm: { kind: 'rms' } },
      },
      feedForward: { activation, gated: true, bias: false },
      experts: readExperts(model, {
        scaled,
        activation,
        gating: 'softmax',
        ffn: Math.floor(dimensions.ffn[0] / metadata.count('expert_used_count', 1, 1)),
        ...(model.fromFolder ? {} : { normalize: true }),
      }),
    };
  });

export const qwen3moe: Architecture = {
  name: 'qwen3moe',
  models: 'Qwen 3 MoE',
  folders: [
    {
      modelTypes: ['qwen3_moe'],
      defaults: {
        hidden_size: 2048,
        intermediate_size: 6144,
        num_hidden_layers: 24,
        num_attention_heads: 32,
        num_key_value_heads: 4,
        hidden_act: 'silu',
        max_position_embeddings: 32768,
        rms_norm_eps: 1e-6,
        sliding_window: 4096,
        max_window_layers: 28,
        moe_intermediate_size: 768,
        num_experts_per_tok: 8,
        num_experts: 128,
        decoder_sparse_step: 1,
        rope_theta: 10000,
      },
      metadata: (config) => {
        // a block has experts if the folder has their tensors
        for (const field of ['decoder_sparse_step', 'mlp_only_layers']) config.value(field);
        return {
          ...qwen2Keys(config),
          ...expertKeys(config, { count: countOf(config), ffn: 'moe_intermediate_size', normalize: 'norm_topk_prob' }),
        };
      },
      tensor: withExperts(
        tensorNames({
          block: {
            attn_q_norm: 'self_attn.q_norm',
            attn_k_norm: 'self_attn.k_norm',
            ffn_gate_inp: 'mlp.gate',
          },
        }),
        { count: countOf },
      ),
    },
  ],
  build: build(true),
};

export const qwen3vlmoe: Architecture = {
  name: 'qwen3vlmoe',
  models: 'Qwen 3 VL MoE (text)',
  passesOver: ['rope.dimension_sections', 'n_deepstack_layers'],
  build: build(false),
};
