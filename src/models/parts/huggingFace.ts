/** Hugging Face names that several architectures share: fields of config.json, and PyTorch tensors. */
import type { HuggingFaceConfig } from '../architecture.ts';

const DECODER_PARTS: Readonly<Record<string, string>> = {
  attn_norm: 'input_layernorm',
  attn_q: 'self_attn.q_proj',
  attn_k: 'self_attn.k_proj',
  attn_v: 'self_attn.v_proj',
  attn_q_norm: 'self_attn.q_norm',
  attn_k_norm: 'self_attn.k_norm',
  attn_output: 'self_attn.o_proj',
  ffn_norm: 'post_attention_layernorm',
  ffn_gate: 'mlp.gate_proj',
  ffn_up: 'mlp.up_proj',
  ffn_down: 'mlp.down_proj',
};

const DECODER_ENDS: Readonly<Record<string, string>> = {
  token_embd: 'model.embed_tokens',
  output_norm: 'model.norm',
  output: 'lm_head',
};

/** GGUF tensor name → its name in Hugging Face folders of the Llama and Qwen families. */
export function decoderTensor(name: string): { names: string[] } {
  const block = /^blk\.(\d+)\.(\w+)\.(weight|bias)$/.exec(name);
  if (block) {
    const part = DECODER_PARTS[block[2]!];
    return { names: part ? [`model.layers.${block[1]}.${part}.${block[3]}`] : [] };
  }
  const [end, kind] = name.split('.');
  const known = DECODER_ENDS[end!];
  return { names: known ? [`${known}.${kind}`] : [] };
}

/** config.json of the Llama and Qwen families → GGUF keys. Missing fields stay missing. */
export function decoderMetadata(architecture: string, config: HuggingFaceConfig): Map<string, unknown> {
  const metadata = keys(architecture, config, {
    block_count: 'num_hidden_layers',
    embedding_length: 'hidden_size',
    feed_forward_length: 'intermediate_size',
    context_length: 'max_position_embeddings',
    vocab_size: 'vocab_size',
    'attention.head_count': 'num_attention_heads',
    'attention.head_count_kv': 'num_key_value_heads',
    'attention.key_length': 'head_dim',
    'attention.layer_norm_rms_epsilon': 'rms_norm_eps',
    'rope.freq_base': 'rope_theta',
  });
  if (config.model_type === 'mistral' && config.sliding_window != null)
    metadata.set(`${architecture}.attention.sliding_window`, config.sliding_window);
  const scaling = config.rope_scaling ?? config.rope_parameters;
  if (isObject(scaling)) {
    const type = scaling.rope_type ?? scaling.type;
    if (type !== undefined && type !== 'default') metadata.set(`${architecture}.rope.scaling.type`, type);
    const fields = keys(`${architecture}.rope`, scaling, {
      freq_base: 'rope_theta',
      'scaling.factor': 'factor',
      'scaling.low_freq_factor': 'low_freq_factor',
      'scaling.high_freq_factor': 'high_freq_factor',
      'scaling.original_context_length': 'original_max_position_embeddings',
      'scaling.attn_factor': 'attention_factor',
      'scaling.yarn_beta_fast': 'beta_fast',
      'scaling.yarn_beta_slow': 'beta_slow',
    });
    for (const [key, value] of fields) metadata.set(key, value);
  }
  return metadata;
}

/** config.json of the GPT family → GGUF keys. @param fields names of the sizes in this family */
export function gptMetadata(
  architecture: string,
  config: HuggingFaceConfig,
  fields: { layers: string; width: string; heads: string; ffn: string; context: string },
): Map<string, unknown> {
  return keys(architecture, config, {
    block_count: fields.layers,
    embedding_length: fields.width,
    feed_forward_length: fields.ffn,
    context_length: fields.context,
    'attention.head_count': fields.heads,
    'attention.layer_norm_epsilon': 'layer_norm_epsilon',
  });
}

/** Tensor names in folders of the GPT family, with and without the usual prefix. */
export function namesInFolder(parts: Readonly<Record<string, string>>): (name: string) => string[] {
  const ends: Readonly<Record<string, string>> = { token_embd: 'wte', position_embd: 'wpe', output_norm: 'ln_f' };
  return (name) => {
    const block = /^blk\.(\d+)\.(\w+)\.(weight|bias)$/.exec(name);
    const [end, kind] = name.split('.');
    if (end === 'output') return [`lm_head.${kind}`];
    const part = block ? parts[block[2]!] : ends[end!];
    if (!part) return [];
    const inside = block ? `h.${block[1]}.${part}.${block[3]}` : `${part}.${kind}`;
    return [`transformer.${inside}`, inside];
  };
}

/** GPT-Neo's type of attention per layer: `attention_layers`, or `attention_types` expanded: [[['global', 'local'], 4]]. */
export function attentionKinds(config: HuggingFaceConfig): unknown[] {
  if (Array.isArray(config.attention_layers)) return config.attention_layers.slice(0, 1024);
  const kinds: unknown[] = [];
  if (Array.isArray(config.attention_types)) {
    for (const [pattern, times] of config.attention_types.filter(Array.isArray)) {
      if (!Array.isArray(pattern) || pattern.length === 0 || typeof times !== 'number') continue;
      for (let i = 0; i < times && kinds.length < 1024; i++) kinds.push(...pattern.slice(0, 1024));
    }
  }
  return kinds;
}

function keys(
  prefix: string,
  config: HuggingFaceConfig,
  names: Readonly<Record<string, string>>,
): Map<string, unknown> {
  const found = new Map<string, unknown>();
  for (const [key, field] of Object.entries(names)) {
    const value = config[field];
    if (value !== undefined && value !== null) found.set(`${prefix}.${key}`, value);
  }
  return found;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
