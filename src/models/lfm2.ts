/** LFM2 and LFM2.5: gated short convolutions in most blocks, attention in the others; LFM2 MoE has experts. Liquid AI 2025 (arXiv 2511.23404). */
import type { Value } from '../graph/graph.ts';
import { columns } from '../graph/ops/columns.ts';
import { multiply } from '../graph/ops/multiply.ts';
import { shortConv } from '../graph/ops/shortConv.ts';
import type { Architecture } from './architecture.ts';
import type { FolderConfig } from './folders/config.ts';
import { expertKeys, withExperts } from './folders/expertKeys.ts';
import { biasKeys, decoderKeys, ropeKeys, tensorNames } from './folders/family.ts';
import { MOST_TAPS } from './limits.ts';
import type { ModelBuilder } from './modelBuilder.ts';
import { decoder } from './parts/decoder.ts';
import { readExperts } from './parts/experts.ts';
import { project } from './parts/project.ts';
import { rotary } from './parts/rotary.ts';
import { windows } from './parts/windows.ts';

interface Convolution {
  /** Length of the filters in tokens. */
  readonly taps: number;
  /** False in embedders, whose filters lie around the token. */
  readonly causal: boolean;
}

/** y = out(c ∘ conv(b ∘ u)), where [b, c, u] = in(x). */
function gatedConv(model: ModelBuilder, x: Value, layer: number, { taps, causal }: Convolution): Value {
  const name = `blk.${layer}.shortconv`;
  const width = x.shape[1];
  const parts = project(model, x, `${name}.in_proj`, 3 * width, { bias: false });
  const [b, c, u] = ['b', 'c', 'u'].map((part, i) => columns(parts, i * width, width, `${name}.${part}`));
  const filters = model.weight(`${name}.conv.weight`, width, taps);
  const attributes = { layer, ...(causal ? {} : { centred: true }) };
  const filtered = shortConv(multiply(b, u, `${name}.bu`), filters, attributes, undefined, `${name}.conv`);
  return project(model, multiply(c, filtered, `${name}.gated`), `${name}.out_proj`, width, { bias: false });
}

const build = decoder((model, dimensions) => {
  const { kvHeads, headSize } = dimensions;
  const taps = model.metadata.count('shortconv.l_cache', undefined, 2, MOST_TAPS);
  const causal = model.metadata.flag('attention.causal', true);
  if (!causal && taps % 2 === 0)
    throw model.metadata.wrong('shortconv.l_cache', 'an odd number, as attention.causal is false', taps);
  const turned = rotary(model, headSize, { layout: 'half', tables: 'none' });
  return {
    outputNormName: 'token_embd_norm',
    mixer: (x, layer) => (kvHeads[layer] === 0 ? gatedConv(model, x, layer, { taps, causal }) : undefined),
    attention: {
      rotary: () => turned,
      window: windows(model, dimensions, { period: 0 }).of,
      headNorm: { over: 'head', norm: { kind: 'rms' } },
      outputBias: false,
    },
    feedForward: { activation: 'silu', gated: true },
    experts: readExperts(model, model.fromFolder ? {} : { normalize: true }),
  };
});

function lfm2Keys(config: FolderConfig): Record<string, unknown> {
  // older configs have the width under another name
  const width = config.says('block_ff_dim') ? 'block_ff_dim' : 'intermediate_size';
  const keys = decoderKeys(config, { rmsEpsilon: 'norm_eps', ffn: width });
  const layers = Number(keys.block_count);
  if (config.flag('conv_bias')) throw config.unsupported('conv_bias', true, ['false']);
  return {
    ...keys,
    ...ropeKeys(config, keys),
    ...biasKeys(false, false, false),
    ...(config.list('architectures')?.[0] === 'Lfm2BidirectionalModel' ? { 'attention.causal': false } : {}),
    'attention.head_count_kv': keyHeads(config, layers),
    'shortconv.l_cache': config.count('conv_L_cache'),
  };
}

/** 0 in blocks with a convolution. */
function keyHeads(config: FolderConfig, layers: number): number[] {
  const types = config.list('layer_types');
  const full = config.list('full_attn_idxs');
  const heads = config.count('num_key_value_heads');
  if (types && types.length < layers) throw config.wrong('layer_types', `a list of ${layers}`, types);
  return Array.from({ length: layers }, (_, layer) => {
    const type = types ? types[layer] : !full || full.includes(layer) ? 'full_attention' : 'conv';
    if (type !== 'conv' && type !== 'full_attention')
      throw config.unsupported('layer_types', type, ['conv', 'full_attention']);
    return type === 'conv' ? 0 : heads;
  });
}

/** The feed-forward width that the config's factors make of its number. */
function adjusted(config: FolderConfig, width: number): number {
  const [multiple, factor] = [config.count('block_multiple_of'), config.number('block_ffn_dim_multiplier')];
  if (!config.flag('block_auto_adjust_ff_dim')) return width;
  const scaled = Math.floor((factor ?? 1) * Math.floor((2 * width) / 3));
  return factor === undefined ? scaled : multiple * Math.ceil(scaled / Math.max(1, multiple));
}

const block = {
  attn_norm: 'operator_norm',
  attn_output: 'self_attn.out_proj',
  attn_q_norm: 'self_attn.q_layernorm',
  attn_k_norm: 'self_attn.k_layernorm',
  ffn_norm: 'ffn_norm',
  ffn_gate: 'feed_forward.w1',
  ffn_up: 'feed_forward.w3',
  ffn_down: 'feed_forward.w2',
  ffn_gate_inp: 'feed_forward.gate',
  'shortconv.in_proj': 'conv.in_proj',
  'shortconv.conv': 'conv.conv',
  'shortconv.out_proj': 'conv.out_proj',
};
const names = tensorNames({ block, ends: { token_embd_norm: 'embedding_norm' } });

const defaults = {
  hidden_size: 2560,
  intermediate_size: 12288,
  num_hidden_layers: 32,
  num_attention_heads: 32,
  num_key_value_heads: 8,
  max_position_embeddings: 128000,
  norm_eps: 1e-5,
  hidden_act: 'silu',
  tie_word_embeddings: true,
  conv_L_cache: 3,
  rope_theta: 1000000,
};

export const lfm2: Architecture = {
  name: 'lfm2',
  models: 'LFM2, LFM2.5',
  passesOver: ['attention.recurrent_layers'],
  folders: [
    {
      modelTypes: ['lfm2'],
      defaults: { ...defaults, block_multiple_of: 256, block_ffn_dim_multiplier: 1, block_auto_adjust_ff_dim: true },
      metadata: (config) => {
        const keys = lfm2Keys(config);
        return { ...keys, feed_forward_length: adjusted(config, Number(keys.feed_forward_length)) };
      },
      tensor: names,
    },
  ],
  build,
};

export const lfm2moe: Architecture = {
  name: 'lfm2moe',
  models: 'LFM2 MoE (8B-A1B)',
  passesOver: ['attention.recurrent_layers'],
  folders: [
    {
      modelTypes: ['lfm2_moe'],
      defaults: {
        ...defaults,
        hidden_size: 2048,
        intermediate_size: 7168,
        moe_intermediate_size: 1792,
        num_dense_layers: 2,
        num_experts: 32,
        num_experts_per_tok: 4,
        use_expert_bias: true,
        routed_scaling_factor: 1,
        norm_topk_prob: true,
      },
      metadata: (config) => {
        for (const field of ['num_dense_layers', 'use_expert_bias']) config.value(field);
        const fields = { ffn: 'moe_intermediate_size', normalize: 'norm_topk_prob', scale: 'routed_scaling_factor' };
        return { ...lfm2Keys(config), ...expertKeys(config, fields, 2) };
      },
      tensor: withExperts(names, {
        experts: 'feed_forward.experts',
        gate: 'w1',
        up: 'w3',
        down: 'w2',
        choiceBias: 'feed_forward.expert_bias',
      }),
    },
  ],
  build,
};
