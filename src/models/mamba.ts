/** Mamba, Falcon Mamba and Mamba 2: selective state spaces in every block, no attention and no feed-forward parts. Gu, Dao 2023 (arXiv 2312.00752), 2024. */
import type { Architecture } from './architecture.ts';
import type { FolderConfig } from './folders/config.ts';
import { mambaTensor, timeStepLimits } from './folders/mambaKeys.ts';
import { MOST_LAYERS } from './limits.ts';
import type { ModelBuilder } from './modelBuilder.ts';
import { buildDecoder } from './parts/decoder.ts';
import { type Mamba, mamba2 as mamba2Mixer, mamba as mambaMixer, readMamba } from './parts/mamba.ts';

type Mixer = typeof mambaMixer;

const build = (mixer: Mixer) => (model: ModelBuilder) => {
  const { metadata } = model;
  const blocks = metadata.count('block_count', undefined, 1, MOST_LAYERS);
  const none = new Array<number>(blocks).fill(0);
  const sizes: Mamba = readMamba(model);
  buildDecoder(
    model,
    {
      layers: blocks,
      width: metadata.count('embedding_length'),
      headSize: 1,
      heads: none,
      kvHeads: none,
      ffn: none,
    },
    {
      mixer: (x, layer) => mixer(model, x, layer, sizes),
      attention: {},
      feedForward: { activation: 'silu', gated: true },
    },
  );
};

/** Keys of the folders of both generations. */
function mambaKeys(config: FolderConfig): Record<string, unknown> {
  if (config.text('hidden_act') !== 'silu')
    throw config.unsupported('hidden_act', config.value('hidden_act'), ['silu']);
  const width = config.count('hidden_size');
  const rank = config.value('time_step_rank');
  for (const field of ['use_bias', 'use_conv_bias', 'time_step_scale', 'expand', 'num_attention_heads'])
    config.value(field);
  return {
    block_count: config.count('num_hidden_layers', MOST_LAYERS),
    embedding_length: width,
    vocab_size: config.number('vocab_size'),
    // a state has no limit; the number is that of llama.cpp's converter
    context_length: config.number('max_position_embeddings') ?? 2 ** 20,
    'attention.layer_norm_rms_epsilon': config.number('layer_norm_epsilon'),
    'output.tied': config.flag('tie_word_embeddings'),
    'ssm.conv_kernel': config.count('conv_kernel'),
    'ssm.state_size': config.count('state_size'),
    'ssm.inner_size': config.number('intermediate_size') ?? Math.floor((config.number('expand') ?? 2) * width),
    'ssm.time_step_rank': rank === 'auto' ? Math.ceil(width / 16) : config.count('time_step_rank'),
  };
}

const defaults = {
  hidden_size: 768,
  state_size: 16,
  num_hidden_layers: 32,
  layer_norm_epsilon: 1e-5,
  expand: 2,
  conv_kernel: 4,
  hidden_act: 'silu',
  time_step_rank: 'auto',
  tie_word_embeddings: true,
};

const tensor = mambaTensor({
  mixer: 'mixer',
  block: { attn_norm: 'norm' },
  ends: { token_embd: 'embeddings', output_norm: 'norm_f' },
});

export const mamba: Architecture = {
  name: 'mamba',
  models: 'Mamba, Falcon Mamba',
  passesOver: ['attention.recurrent_layers'],
  folders: [
    { modelTypes: ['mamba'], defaults, metadata: mambaKeys, tensor },
    {
      modelTypes: ['falcon_mamba'],
      defaults: { ...defaults, mixer_rms_eps: 1e-6 },
      metadata: (config) => ({
        ...mambaKeys(config),
        'ssm.dt_b_c_rms': true,
        'ssm.epsilon': config.number('mixer_rms_eps'),
      }),
      tensor,
    },
  ],
  build: build(mambaMixer),
};

export const mamba2: Architecture = {
  name: 'mamba2',
  models: 'Mamba 2',
  passesOver: ['attention.recurrent_layers'],
  folders: [
    {
      modelTypes: ['mamba2'],
      defaults: {
        ...defaults,
        num_heads: 128,
        head_dim: 64,
        hidden_size: 4096,
        state_size: 128,
        num_hidden_layers: 64,
        n_groups: 8,
        tie_word_embeddings: false,
      },
      metadata: (config) => ({
        ...mambaKeys(config),
        ...timeStepLimits(config),
        'ssm.inner_size': config.count('num_heads') * config.count('head_dim'),
        'ssm.time_step_rank': config.count('num_heads'),
        'ssm.group_count': config.count('n_groups'),
      }),
      tensor,
    },
  ],
  build: build(mamba2Mixer),
};
