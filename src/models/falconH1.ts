/** Falcon H1: attention and Mamba 2 side by side in every block, from one norm. TII 2025 (arXiv 2507.22448). */
import { add } from '../graph/ops/add.ts';
import type { Architecture } from './architecture.ts';
import type { FolderConfig } from './folders/config.ts';
import { biasKeys, decoderKeys, type ElementChange, type FolderTensor, ropeKeys } from './folders/family.ts';
import { hybridMambaKeys, mambaTensor } from './folders/mambaKeys.ts';
import { type Attention, selfAttention } from './parts/attention.ts';
import { decoder } from './parts/decoder.ts';
import { mamba2, readMamba } from './parts/mamba.ts';
import { rotary } from './parts/rotary.ts';

const innerOf = (config: FolderConfig): number =>
  config.number('mamba_d_ssm') ?? Math.floor((config.number('mamba_expand') ?? 2) * config.count('hidden_size'));

function falconH1Keys(config: FolderConfig): Record<string, unknown> {
  const keys = decoderKeys(config);
  const bias = config.flag('attention_bias');
  for (const field of ['projectors_bias', 'mamba_rms_norm', ...factorFields]) config.value(field);
  return {
    ...keys,
    ...ropeKeys(config, keys),
    ...biasKeys(bias, bias, config.flag('mlp_bias')),
    ...hybridMambaKeys(config, innerOf(config)),
    'ssm.norm_before_gate': config.flag('mamba_norm_before_gate'),
  };
}

const factorFields = [
  'embedding_multiplier',
  'lm_head_multiplier',
  'attention_in_multiplier',
  'attention_out_multiplier',
  'key_multiplier',
  'mlp_multipliers',
  'ssm_in_multiplier',
  'ssm_out_multiplier',
  'ssm_multipliers',
] as const;

const named = mambaTensor({
  mixer: 'mamba',
  block: {
    ffn_norm: 'pre_ff_layernorm',
    ffn_gate: 'feed_forward.gate_proj',
    ffn_up: 'feed_forward.up_proj',
    ffn_down: 'feed_forward.down_proj',
  },
  ends: { output_norm: 'final_layernorm' },
});

/** GGUF files have the factors in their matrices. */
function falconH1Tensor(name: string, config: FolderConfig): FolderTensor {
  const kind = /^(?:blk\.\d+\.)?(\w+)\.weight$/.exec(name)?.[1];
  const change = kind === undefined ? undefined : changeOf(kind, config);
  return { ...named(name), ...(change ? { change } : {}) };
}

function changeOf(kind: string, config: FolderConfig): ElementChange | undefined {
  const number = (field: (typeof factorFields)[number]) => config.number(field) ?? 1;
  const listed = (field: (typeof factorFields)[number], i: number) => Number(config.list(field)?.[i] ?? 1);
  const factors: Readonly<Record<string, () => number>> = {
    token_embd: () => number('embedding_multiplier'),
    output: () => number('lm_head_multiplier'),
    attn_q: () => number('attention_in_multiplier'),
    attn_k: () => number('attention_in_multiplier') * number('key_multiplier'),
    attn_v: () => number('attention_in_multiplier'),
    attn_output: () => number('attention_out_multiplier'),
    ffn_gate: () => listed('mlp_multipliers', 0),
    ffn_down: () => listed('mlp_multipliers', 1),
    ssm_out: () => number('ssm_out_multiplier'),
  };
  if (kind === 'ssm_in') return changeOfInput(config, number('ssm_in_multiplier'), (i) => listed('ssm_multipliers', i));
  const factor = factors[kind]?.() ?? 1;
  return factor === 1 ? undefined : (value) => value * factor;
}

/** The rows of gates, channels, inputs, outputs and rates each have a factor. */
function changeOfInput(
  config: FolderConfig,
  factor: number,
  factorOf: (part: number) => number,
): ElementChange | undefined {
  const inner = innerOf(config);
  const shared = config.count('mamba_n_groups') * config.count('mamba_d_state');
  const ends = [inner, 2 * inner, 2 * inner + shared, 2 * inner + 2 * shared, Number.POSITIVE_INFINITY];
  const factors = ends.map((_, part) => factor * factorOf(part));
  if (factors.every((one) => one === 1)) return undefined;
  const width = config.count('hidden_size');
  return (value, index) => value * factors[ends.findIndex((end) => index < end * width)];
}

export const falconH1: Architecture = {
  name: 'falcon-h1',
  models: 'Falcon H1',
  passesOver: ['attention.recurrent_layers'],
  passesOverTensors: /^rope_freqs\.weight$|^blk\.\d+\.attn_output\.bias$/,
  folders: [
    {
      modelTypes: ['falcon_h1'],
      defaults: {
        hidden_size: 4096,
        intermediate_size: 14336,
        num_hidden_layers: 32,
        num_attention_heads: 32,
        num_key_value_heads: 8,
        hidden_act: 'silu',
        rms_norm_eps: 1e-5,
        max_position_embeddings: 8192,
        mamba_d_ssm: 1024,
        mamba_n_heads: 128,
        mamba_n_groups: 1,
        mamba_d_state: 256,
        mamba_d_conv: 4,
        mamba_expand: 2,
        mamba_norm_before_gate: true,
        rope_theta: 10000,
      },
      metadata: falconH1Keys,
      tensor: falconH1Tensor,
    },
  ],
  build: decoder((model, dimensions) => {
    const sizes = readMamba(model);
    const turned = rotary(model, dimensions.headSize, { layout: 'half', tables: 'none' });
    const attention: Attention = { rotary: () => turned, ...(model.fromFolder ? {} : { outputBias: false }) };
    return {
      norm: { kind: 'rms', bare: 'optional' },
      mixer: (x, layer) =>
        add(
          selfAttention(model, x, layer, layer, dimensions, attention),
          mamba2(model, x, layer, sizes),
          `blk.${layer}.mixers`,
        ),
      attention,
      feedForward: { activation: 'silu', gated: true, bias: 'optional' },
    };
  }),
};
