/** Mixtures of experts in folders: fields of config.json → GGUF keys, and the tensors of all experts, stacked. */
import { MOST_EXPERTS } from '../limits.ts';
import type { FolderConfig } from './config.ts';
import type { FolderTensor } from './family.ts';

/** Names of the fields. */
export interface ExpertFields {
  readonly count?: string;
  readonly used?: string;
  /** Width of an expert. */
  readonly ffn?: string;
  /** True if the weights of chosen experts are divided by their sum. */
  readonly normalize?: string;
  readonly scale?: string;
  readonly groups?: string;
  readonly usedGroups?: string;
}

/** Fields of experts in configs that follow DeepSeek's. */
export const deepSeekExpertFields: ExpertFields = {
  count: 'n_routed_experts',
  ffn: 'moe_intermediate_size',
  normalize: 'norm_topk_prob',
  scale: 'routed_scaling_factor',
  groups: 'n_group',
  usedGroups: 'topk_group',
};

/** @param gating number as in GGUF: 1 softmax, 2 sigmoid */
export function expertKeys(config: FolderConfig, fields: ExpertFields = {}, gating = 1): Record<string, unknown> {
  const { count = 'num_experts', used = 'num_experts_per_tok', ffn, normalize, scale, groups, usedGroups } = fields;
  return {
    expert_count: config.count(count, MOST_EXPERTS),
    expert_used_count: config.count(used, MOST_EXPERTS),
    expert_gating_func: gating,
    ...(ffn ? { expert_feed_forward_length: config.count(ffn) } : {}),
    ...(normalize ? { expert_weights_norm: config.flag(normalize) } : {}),
    ...(scale ? { expert_weights_scale: config.number(scale) } : {}),
    ...(groups ? { expert_group_count: config.number(groups) } : {}),
    ...(usedGroups ? { expert_group_used_count: config.number(usedGroups) } : {}),
  };
}

/** Names of the tensors within a layer. */
export interface ExpertNames {
  /** Folder of the experts: mlp.experts. */
  readonly experts?: string;
  readonly gate?: string;
  readonly up?: string;
  readonly down?: string;
  /** Bias of the choice, by its full name. */
  readonly choiceBias?: string;
  /** Field with the number of experts. */
  readonly count?: string | ((config: FolderConfig) => string);
}

type TensorOf = (name: string, config: FolderConfig) => FolderTensor;

/** Adds experts, which folders store one by one, to the tensors of a family. */
export function withExperts(tensor: TensorOf, names: ExpertNames = {}): TensorOf {
  const { experts = 'mlp.experts', choiceBias, count = 'num_experts' } = names;
  const kinds: Record<string, string> = {
    gate: names.gate ?? 'gate_proj',
    up: names.up ?? 'up_proj',
    down: names.down ?? 'down_proj',
  };
  return (name, config) => {
    const ofExperts = /^blk\.(\d+)\.ffn_(gate|up|down)_exps\.weight$/.exec(name);
    if (ofExperts) {
      const folder = `layers.${ofExperts[1]}.${experts}`;
      const stacked = Array.from(
        { length: config.count(typeof count === 'string' ? count : count(config), MOST_EXPERTS) },
        (_, expert) => `${folder}.${expert}.${kinds[ofExperts[2]]}.weight`,
      );
      return { names: [], stacked };
    }
    const ofChoice = /^blk\.(\d+)\.exp_probs_b\.bias$/.exec(name);
    if (ofChoice) return { names: choiceBias ? [`layers.${ofChoice[1]}.${choiceBias}`] : [] };
    return tensor(name, config);
  };
}

/** Names of a shared expert's three matrices in tensorNames. */
export const sharedNames = (folder: string): Record<string, string> => ({
  ffn_gate_shexp: `${folder}.gate_proj`,
  ffn_up_shexp: `${folder}.up_proj`,
  ffn_down_shexp: `${folder}.down_proj`,
});
