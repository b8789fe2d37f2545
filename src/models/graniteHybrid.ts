/** Granite 4 hybrids (H-Micro, H-Tiny, H-Small): Mamba 2 in most blocks, attention in the others; Granite's factors. IBM 2025. */
import type { Architecture } from './architecture.ts';
import type { FolderConfig } from './folders/config.ts';
import type { FolderTensor } from './folders/family.ts';
import { isInterleavedInGguf } from './folders/layout.ts';
import { hybridMambaKeys, mambaTensor } from './folders/mambaKeys.ts';
import { graniteKeys, graniteKnobs } from './granite.ts';
import { graniteMoeDefaults, graniteMoeKeys, graniteMoeTensor } from './graniteMoe.ts';
import { decoder } from './parts/decoder.ts';
import { mamba2, readMamba } from './parts/mamba.ts';

function hybridKeys(config: FolderConfig): Record<string, unknown> {
  const shared = config.count('shared_intermediate_size');
  const hasExperts = (config.number('num_local_experts') ?? 0) > 0;
  config.value('num_experts_per_tok');
  const keys = hasExperts
    ? { ...graniteMoeKeys(config), expert_shared_feed_forward_length: shared }
    : { ...graniteKeys(config), feed_forward_length: shared };
  const rope = config.value('position_embedding_type');
  if (rope !== undefined && rope !== null && rope !== 'rope')
    throw config.unsupported('position_embedding_type', rope, ['rope']);
  const inner = Math.floor((config.number('mamba_expand') ?? 2) * config.count('hidden_size'));
  return {
    ...keys,
    ...hybridMambaKeys(config, inner),
    'rope.scaling.finetuned': rope === 'rope',
    'attention.head_count_kv': keyHeads(config),
  };
}

/** 0 in blocks with Mamba. */
function keyHeads(config: FolderConfig): number[] {
  const layers = config.count('num_hidden_layers');
  const types = config.list('layer_types');
  const heads = config.number('num_key_value_heads') ?? config.count('num_attention_heads');
  if (types && types.length < layers) throw config.wrong('layer_types', `a list of ${layers}`, types);
  return Array.from({ length: layers }, (_, layer) => {
    const type = types?.[layer] ?? 'mamba';
    if (type === 'mamba' || type === 'linear_attention') return 0;
    if (type === 'attention' || type === 'full_attention') return heads;
    throw config.unsupported('layer_types', type, ['mamba', 'attention']);
  });
}

const mixer = mambaTensor({ mixer: 'mamba' });
/** The feed-forward part of files without experts, which have its gate and up in one matrix. */
const dense: Readonly<Record<string, string>> = { up: 'shared_mlp.input_linear', down: 'shared_mlp.output_linear' };

function hybridTensor(name: string, config: FolderConfig): FolderTensor {
  if (name.includes('.ssm_')) return mixer(name);
  const part = /^blk\.(\d+)\.ffn_(up|down)\.weight$/.exec(name);
  if (part) return { names: [`layers.${part[1]}.${dense[part[2]]}.weight`] };
  return graniteMoeTensor(name, config);
}

export const graniteHybrid: Architecture = {
  name: 'granitehybrid',
  models: 'Granite 4 (hybrid)',
  passesOver: ['attention.recurrent_layers'],
  folders: [
    {
      modelTypes: ['granitemoehybrid'],
      defaults: {
        ...graniteMoeDefaults,
        shared_intermediate_size: 1024,
        mamba_n_heads: 128,
        mamba_n_groups: 1,
        mamba_d_state: 256,
        mamba_d_conv: 4,
        mamba_expand: 2,
      },
      metadata: hybridKeys,
      tensor: hybridTensor,
      isInterleavedInGguf,
    },
  ],
  build: decoder((model, dimensions) => {
    const sizes = readMamba(model);
    return {
      ...graniteKnobs(model, dimensions),
      mixer: (x, layer) => (dimensions.kvHeads[layer] === 0 ? mamba2(model, x, layer, sizes) : undefined),
    };
  }),
};
