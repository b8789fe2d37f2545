/**
 * Checks unread fields of a config.json. A field whose name suggests that it changes the computation is refused, unless its
 * value has no effect. Other fields are ignored.
 */
import type { FolderConfig } from './config.ts';

/** Substrings in names of fields that change what a model computes. */
const meaningful =
  /(^|_)(act|activation|alibi|attention|attn|bias|bidirectional|block|causal|clamp|clip|conv|depth|embd|embedding|expand|expert|experts|factor|ffn|gate|gated|glu|group|head|heads|interval|layer|layers|length|ln|logit|logits|lora|loop|loops|mask|mla|moe|mlp|mrope|multiplier|norm|offset|parallel|partial|pattern|pos|position|positional|qk|qkv|rank|residual|rope|rotary|scale|scaling|sink|sinks|sliding|softcap|softcapping|softmax|sparsity|ssm|state|temperature|theta|value|window)(_|$)/;

/** Exceptions without effect here: fields for training or other tasks, and aliases of fields that are read. */
const harmless =
  /(dropout|drop|pdrop|initializer|init|loss|_coef|token_id|token_index|id2label|label|summary|classifier|problem_type|return_dict|output_(hidden_states|attentions|router_logits)|chunk_size_feed_forward|attn_implementation|attention_implementation|_attn|use_cache|gradient|layerdrop|tie_encoder_decoder|cross_attention|pretraining_tp|num_logits_to_keep|layer_types|eod|softmax_in_fp32|reorder_and_upcast_attn|max_window_layers|attn_pdrop|attn_impl|init_device|bos|eos|pad_token|tokenizer|is_decoder|sliding_window_pattern|rotary_emb_base|std$|_std_|flash|fused|fuse_|mup|residual_in_fp32|rescale_prenorm_residual|_cache_dtype)/;

/** Values without effect, by field, besides null, false, 0, and empty lists and objects. */
const neutralValues: Readonly<Record<string, readonly unknown[]>> = {
  embedding_fraction: [1],
  attention_multiplier: [],
  embedding_multiplier: [1],
  logits_scaling: [1],
  logit_scale: [1],
  residual_multiplier: [1],
  partial_rotary_factor: [1],
  rotary_pct: [1],
  n_group: [1],
  topk_group: [1],
  routed_scaling_factor: [1],
  scale_attn_weights: [true],
  do_layer_norm_before: [true],
  position_embedding_type: ['absolute', 'rope'],
  attention_type: ['full'],
  num_loops: [1],
  block_ffn_dim_multiplier: [1],
  // of MPT, whose class in transformers has no such embeddings
  learned_pos_emb: [true],
  no_bias: [true],
  norm_type: ['low_precision_layernorm'],
};

/** @throws {UnsupportedError} for an unread field that changes the computation */
export function refuseUnreadFields(config: FolderConfig): void {
  for (const [field, value] of config.unread()) {
    if (isEmpty(value) || !meaningful.test(field) || harmless.test(field)) continue;
    if (neutralValues[field]?.includes(value)) continue;
    throw config.unsupported(field, value);
  }
}

function isEmpty(value: unknown): boolean {
  if (value === null || value === undefined || value === false || value === 0 || value === '') return true;
  return typeof value === 'object' && Object.keys(value).length === 0;
}
