/**
 * GGUF keys that change what a model computes, with their neutral values. llama.cpp writes many keys with its own defaults
 * (`hparams` in src/llama-hparams.h), so these count as neutral. If a file has another value for a key that its architecture
 * does not read, the model is refused with the key's name.
 */
import { UnsupportedError } from '../core/errors.ts';
import { isList, type Metadata, shown } from './metadata.ts';

type Neutral = readonly (number | boolean | string)[];

const OFF: Neutral = [0, false];
const ONE: Neutral = [0, 1];

const neutralValues: Readonly<Record<string, Neutral>> = {
  'activation.situ_beta': ONE,
  'activation.situ_linear_beta': OFF,
  activation_sparsity_scale: OFF,
  'altup.num_inputs': OFF,
  'attention.causal': [true, 1],
  'attention.clamp_kqv': OFF,
  'attention.compress_ratios': OFF,
  'attention.indexer.head_count': OFF,
  'attention.indexer.top_k': OFF,
  'attention.indexer.types': OFF,
  'attention.key_length_mla': OFF,
  'attention.kv_lora_rank': OFF,
  'attention.max_alibi_bias': OFF,
  'attention.output_scale': ONE,
  'attention.q_lora_rank': OFF,
  'attention.recurrent_layers': OFF,
  'attention.relative_buckets_count': OFF,
  'attention.rope_pattern': [1, true],
  'attention.scale': OFF,
  'attention.shared_kv_layers': OFF,
  'attention.sliding_window': OFF,
  'attention.temperature_length': OFF,
  'attention.temperature_scale': OFF,
  'attention.value_length_mla': OFF,
  'attention.value_scale': ONE,
  attn_logit_softcapping: [0, 50],
  'attn_res.block_size': OFF,
  deepstack_mapping: [-1],
  embedding_length_per_layer_input: OFF,
  embedding_scale: ONE,
  expert_count: OFF,
  final_logit_softcapping: [0, 30],
  full_attention_interval: ONE,
  hash_layer_count: OFF,
  hidden_activation: ['silu'],
  'hrm.layers_per_stack': OFF,
  'hyper_connection.count': OFF,
  'kda.head_dim': OFF,
  logit_scale: ONE,
  moe_every_n_layers: OFF,
  n_deepstack_layers: OFF,
  norm_before_residual: OFF,
  num_loops: ONE,
  'ple.layers': OFF,
  rescale_every_n_layers: OFF,
  residual_scale: ONE,
  'rope.dimension_sections': OFF,
  'rope.scaling.alpha': OFF,
  'rope.scaling.yarn_attn_factor': ONE,
  'rope.scaling.yarn_beta_fast': [0, 32],
  'rope.scaling.yarn_beta_slow': ONE,
  'rope.scaling.yarn_ext_factor': [-1],
  'rope.scaling.yarn_log_multiplier': OFF,
  'shortconv.l_cache': OFF,
  'ssm.conv_kernel': OFF,
  'ssm.inner_size': OFF,
  'ssm.state_size': OFF,
  swiglu_clamp_exp: OFF,
  swiglu_clamp_shexp: OFF,
  swin_norm: OFF,
  use_parallel_residual: OFF,
  'wkv.head_size': OFF,
};

/** @throws {UnsupportedError} for an unread key that changes the computation */
export function refuseUnreadKeys(metadata: Metadata, passedOver: readonly string[] = []): void {
  for (const [key, value] of metadata.unread()) {
    const neutral = Object.hasOwn(neutralValues, key) ? neutralValues[key] : undefined;
    if (!neutral || passedOver.includes(key) || isNeutral(value, neutral)) continue;
    const name = `${metadata.architecture}.${key}`;
    throw new UnsupportedError(`${metadata.file}: metadata ${name} =`, shown(value), [], { key: name });
  }
}

function isNeutral(value: unknown, neutral: Neutral): boolean {
  if (isList(value)) return Array.from(value).every((element) => isNeutral(element, neutral));
  return neutral.some((one) => one === value);
}
