/**
 * Llama 1 to 3.x and what shares its shape: SmolLM2, TinyStories, Mistral and Ministral folders, CWM.
 * Touvron et al. 2023 (arXiv 2302.13971, 2307.09288), Llama team 2024 (2407.21783), Jiang et al. 2023 (2310.06825).
 */
import type { Architecture } from './architecture.ts';
import { expertKeys, withExperts } from './folders/expertKeys.ts';
import { biasKeys, decoderKeys, ropeKeys, tensorNames } from './folders/family.ts';
import { isInterleavedInGguf } from './folders/layout.ts';
import { llamaDefaults, llamaKeys, mistralDefaults, windowedByFourKeys, windowedKeys } from './folders/llamaKeys.ts';
import { activationOf } from './parts/activationOf.ts';
import { decoder } from './parts/decoder.ts';
import { readExperts } from './parts/experts.ts';
import { gatedDecoder } from './parts/fresh.ts';
import { rotary } from './parts/rotary.ts';
import { windows } from './parts/windows.ts';

const MIXTRAL_EXPERTS = {
  experts: 'block_sparse_moe.experts',
  gate: 'w1',
  up: 'w3',
  down: 'w2',
  count: 'num_local_experts',
};

export const llama: Architecture = {
  name: 'llama',
  models: 'Llama 1 to 3.3, Mistral, Mixtral, SmolLM2, TinyLlama, DeepSeek-R1-Distill',
  passesOver: ['attention.sliding_window'],
  folders: [
    {
      modelTypes: ['llama'],
      defaults: llamaDefaults,
      metadata: llamaKeys,
      tensor: tensorNames(),
      isInterleavedInGguf,
    },
    {
      modelTypes: ['mistral'],
      defaults: mistralDefaults,
      metadata: windowedKeys,
      tensor: tensorNames(),
      isInterleavedInGguf,
    },
    {
      modelTypes: ['mixtral'],
      defaults: {
        ...llamaDefaults,
        intermediate_size: 14336,
        num_key_value_heads: 8,
        max_position_embeddings: 131072,
        rms_norm_eps: 1e-5,
        num_experts_per_tok: 2,
        num_local_experts: 8,
        rope_theta: 1000000,
      },
      metadata: (config) => ({ ...windowedKeys(config), ...expertKeys(config, { count: 'num_local_experts' }) }),
      tensor: withExperts(tensorNames({ block: { ffn_gate_inp: 'block_sparse_moe.gate' } }), MIXTRAL_EXPERTS),
      isInterleavedInGguf,
    },
    {
      modelTypes: ['ministral'],
      defaults: mistralDefaults,
      metadata: windowedKeys,
      tensor: tensorNames(),
      isInterleavedInGguf,
    },
    {
      modelTypes: ['cwm'],
      defaults: {
        hidden_size: 6144,
        intermediate_size: 21504,
        num_hidden_layers: 64,
        num_attention_heads: 48,
        num_key_value_heads: 8,
        hidden_act: 'silu',
        max_position_embeddings: 131072,
        rms_norm_eps: 1e-5,
        rope_parameters: {
          rope_theta: 1000000,
          factor: 16,
          high_freq_factor: 4,
          low_freq_factor: 1,
          original_max_position_embeddings: 8192,
          rope_type: 'llama3',
        },
        head_dim: 128,
        sliding_window: 8192,
        rope_theta: 1000000,
      },
      metadata: windowedByFourKeys,
      tensor: tensorNames(),
      isInterleavedInGguf,
    },
    {
      modelTypes: ['internlm3'],
      defaults: {
        ...llamaDefaults,
        intermediate_size: 10240,
        num_hidden_layers: 48,
        num_key_value_heads: 2,
        max_position_embeddings: 32768,
        rms_norm_eps: 1e-5,
        head_dim: 128,
      },
      metadata: (config) => {
        const keys = decoderKeys(config);
        return {
          ...keys,
          ...ropeKeys(config, keys),
          ...biasKeys(
            config.flag('qkv_bias') || config.flag('attention_bias'),
            config.flag('bias') || config.flag('attention_bias'),
            config.flag('bias') || config.flag('mlp_bias'),
          ),
        };
      },
      tensor: tensorNames(),
      isInterleavedInGguf,
    },
  ],
  fresh: gatedDecoder(),
  build: decoder((model, dimensions) => {
    const turned = rotary(model, dimensions.headSize, { layout: 'interleaved', tables: 'both' });
    return {
      attention: {
        rotary: () => turned,
        // llama.cpp ignores the window in GGUF models of this architecture
        window: model.fromFolder ? windows(model, dimensions, { period: 0 }).of : undefined,
      },
      feedForward: { scaled: true, activation: activationOf(model, 'silu'), gated: true, bias: 'optional' },
      experts: readExperts(model, {
        scaled: true,
        gating: 'softmax',
        normalize: true,
        width: dimensions.ffn[0],
        activation: activationOf(model, 'silu'),
      }),
    };
  }),
};
