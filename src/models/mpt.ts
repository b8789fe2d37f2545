/** MPT: ALiBi or learned positions, layer norms mostly without bias. MosaicML 2023. */
import type { Architecture } from './architecture.ts';
import { mptKeys, mptTensor } from './folders/mptKeys.ts';
import { activationOf } from './parts/activationOf.ts';
import { decoder } from './parts/decoder.ts';

export const mpt: Architecture = {
  name: 'mpt',
  models: 'MPT',
  passesOverTensors: /\.attn_k_norm\./,
  folders: [
    {
      modelTypes: ['mpt'],
      defaults: {
        mpt_activation: 'gelu',
        d_model: 2048,
        n_heads: 16,
        n_layers: 24,
        expansion_ratio: 4,
        max_seq_len: 2048,
        layer_norm_epsilon: 1e-5,
        no_bias: true,
        tie_word_embeddings: true,
      },
      metadata: mptKeys,
      tensor: mptTensor,
    },
  ],
  build: decoder((model) => {
    const { metadata } = model;
    const bias = model.fromFolder ? metadata.flag('bias', false) : 'optional';
    return {
      norm: { kind: 'layer', bias },
      attention: {
        bias,
        outputBias: bias,
        clamp: metadata.number('attention.clamp_kqv', 0),
        alibi: metadata.number('attention.max_alibi_bias', 0),
        headNorm: { over: 'all', norm: { kind: 'layer', bias: 'optional' }, presence: 'optional' },
        ...(metadata.has('attention.scale') && model.fromFolder ? { scale: metadata.number('attention.scale') } : {}),
      },
      feedForward: { activation: activationOf(model, 'gelu'), gated: false, bias, activationScales: 'optional' },
      learnedPositions: model.fromFolder ? metadata.flag('learned_positions', false) : 'optional',
    };
  }),
};
