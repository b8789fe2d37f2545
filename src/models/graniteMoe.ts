/** Granite 3 MoE (1B-A400M, 3B-A800M): Granite's factors, experts in every block. IBM 2024. */
import type { Architecture } from './architecture.ts';
import type { FolderConfig } from './folders/config.ts';
import { expertKeys } from './folders/expertKeys.ts';
import { type FolderTensor, tensorNames } from './folders/family.ts';
import { isInterleavedInGguf } from './folders/layout.ts';
import { halvesOfGroups } from './folders/rowOrders.ts';
import { graniteDefaults, graniteKeys, graniteKnobs } from './granite.ts';
import { decoder } from './parts/decoder.ts';

export const graniteMoeDefaults = { ...graniteDefaults, num_local_experts: 8, num_experts_per_tok: 2 };

export const graniteMoeKeys = (config: FolderConfig): Record<string, unknown> => ({
  ...graniteKeys(config),
  ...expertKeys(config, { count: 'num_local_experts' }),
});

const names = tensorNames({
  block: {
    ffn_gate: '',
    ffn_up: '',
    ffn_down: '',
    ffn_gate_inp: 'block_sparse_moe.router.layer',
    ffn_gate_exps: 'block_sparse_moe.input_linear',
    ffn_up_exps: 'block_sparse_moe.input_linear',
    ffn_down_exps: 'block_sparse_moe.output_linear',
    ffn_up_shexp: 'shared_mlp.input_linear',
    ffn_down_shexp: 'shared_mlp.output_linear',
  },
});

/** The experts are stacked already; their gates and ups are one tensor. */
export function graniteMoeTensor(name: string, config: FolderConfig): FolderTensor {
  const half = /\.ffn_(gate|up)_exps\.weight$/.exec(name)?.[1];
  if (!half) return names(name);
  const order = () =>
    halvesOfGroups(config.count('num_local_experts'), 2 * config.count('intermediate_size'), half === 'up');
  return { ...names(name), order };
}

export const graniteMoe: Architecture = {
  name: 'granitemoe',
  models: 'Granite 3 MoE',
  folders: [
    {
      modelTypes: ['granitemoe'],
      defaults: graniteMoeDefaults,
      metadata: graniteMoeKeys,
      tensor: graniteMoeTensor,
      isInterleavedInGguf,
    },
    {
      modelTypes: ['granitemoeshared'],
      defaults: { ...graniteMoeDefaults, shared_intermediate_size: 1024 },
      metadata: (config) => ({
        ...graniteMoeKeys(config),
        expert_shared_feed_forward_length: config.count('shared_intermediate_size'),
      }),
      tensor: graniteMoeTensor,
      isInterleavedInGguf,
    },
  ],
  build: decoder((model, dimensions) => graniteKnobs(model, dimensions, true)),
};
