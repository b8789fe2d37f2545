/** Qwen 3 Next and Qwen 3.5: gated delta nets in most blocks, gated attention in every fourth; some have experts. Qwen team 2025. */
import type { Architecture } from './architecture.ts';
import { deltaNetDefaults, deltaNetKeys, deltaNetTensor, fusedDeltaNetTensor } from './folders/deltaNetKeys.ts';
import { expertKeys, withExperts } from './folders/expertKeys.ts';
import type { ModelBuilder } from './modelBuilder.ts';
import { activationOf } from './parts/activationOf.ts';
import { decoder } from './parts/decoder.ts';
import { readExperts } from './parts/experts.ts';
import { gatedDeltaNet, readDeltaNet } from './parts/gatedDeltaNet.ts';
import { rotary } from './parts/rotary.ts';

/** @param order key head of a head in GGUF files @param scaled true if llama.cpp reads all matrices' scales */
const build = (order: 'blocks' | 'turns', scaled: boolean) =>
  decoder((model, dimensions) => {
    const recurrent = recurrentLayers(model, dimensions.layers);
    const net = readDeltaNet(model, { order: model.fromFolder ? 'blocks' : order, scaled });
    // of the three positions that images have, text has the same in all
    const turned = rotary(model, dimensions.headSize, { layout: 'half', tables: 'none' });
    const activation = activationOf(model, 'silu');
    return {
      feedForwardNorm: () => 'post_attention_norm',
      mixer: (x, layer) => (recurrent[layer] ? gatedDeltaNet(model, x, layer, net) : undefined),
      attention: {
        rotary: () => turned,
        headNorm: { over: 'head', norm: { kind: 'rms' } },
        gated: 'queries',
      },
      feedForward: { activation, gated: true, scaled },
      experts: readExperts(model, {
        activation,
        gating: 'softmax',
        scaled: true,
        ffn: Math.floor(dimensions.ffn[0] / (model.metadata.count('expert_used_count', 1, 0) || 1)),
        shared: { ffn: model.metadata.count('expert_shared_feed_forward_length', 0, 0), gated: true },
        ...(model.fromFolder ? {} : { normalize: true }),
      }),
    };
  });

function recurrentLayers({ metadata }: ModelBuilder, layers: number): boolean[] {
  const interval = metadata.count('full_attention_interval', 4);
  const usual = Array.from({ length: layers }, (_, layer) => ((layer + 1) % interval === 0 ? 0 : 1));
  if (!metadata.has('attention.recurrent_layers')) return usual.map((is) => is === 1);
  return metadata.flags('attention.recurrent_layers', layers);
}

const moeFields = { ffn: 'moe_intermediate_size' };

export const qwen3next: Architecture = {
  name: 'qwen3next',
  models: 'Qwen 3 Next',
  passesOverTensors: /\.ssm_in\.weight$|^mtp\./,
  folders: [
    {
      modelTypes: ['qwen3_next'],
      defaults: {
        ...deltaNetDefaults,
        hidden_size: 2048,
        intermediate_size: 5632,
        num_hidden_layers: 48,
        num_attention_heads: 16,
        num_key_value_heads: 2,
        moe_intermediate_size: 512,
        shared_expert_intermediate_size: 512,
        num_experts_per_tok: 10,
        num_experts: 512,
        norm_topk_prob: true,
        decoder_sparse_step: 1,
      },
      metadata: (config) => {
        // a block has experts if the folder has their tensors
        for (const field of ['decoder_sparse_step', 'mlp_only_layers']) config.value(field);
        return {
          ...deltaNetKeys(config),
          ...expertKeys(config, { ...moeFields, normalize: 'norm_topk_prob' }),
          expert_shared_feed_forward_length: config.count('shared_expert_intermediate_size'),
        };
      },
      tensor: withExperts(fusedDeltaNetTensor),
    },
  ],
  build: build('blocks', false),
};

export const qwen35: Architecture = {
  name: 'qwen35',
  models: 'Qwen 3.5 (text)',
  passesOver: ['rope.dimension_sections'],
  passesOverTensors: /^mtp\./,
  folders: [
    {
      modelTypes: ['qwen3_5_text'],
      defaults: {
        ...deltaNetDefaults,
        hidden_size: 4096,
        intermediate_size: 12288,
        num_hidden_layers: 32,
        num_attention_heads: 16,
        num_key_value_heads: 4,
      },
      metadata: (config) => deltaNetKeys(config),
      tensor: deltaNetTensor,
    },
  ],
  build: build('turns', true),
};

export const qwen35moe: Architecture = {
  name: 'qwen35moe',
  models: 'Qwen 3.5 MoE (text)',
  passesOver: ['rope.dimension_sections'],
  passesOverTensors: /^mtp\./,
  folders: [
    {
      modelTypes: ['qwen3_5_moe_text'],
      defaults: {
        ...deltaNetDefaults,
        hidden_size: 2048,
        num_hidden_layers: 40,
        num_attention_heads: 16,
        num_key_value_heads: 2,
        moe_intermediate_size: 512,
        shared_expert_intermediate_size: 512,
        num_experts_per_tok: 8,
        num_experts: 256,
      },
      metadata: (config) => ({
        ...deltaNetKeys(config, moeFields),
        ...expertKeys(config, moeFields),
        expert_weights_norm: true,
        expert_shared_feed_forward_length: config.count('shared_expert_intermediate_size'),
      }),
      tensor: withExperts(deltaNetTensor),
    },
  ],
  build: build('turns', true),
};
