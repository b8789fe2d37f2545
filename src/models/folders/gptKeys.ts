/** config.json → GGUF keys and tensor names, for families with layer norms and feed-forward parts without a gate. */
import { MOST_HEADS } from '../limits.ts';
import type { FolderConfig } from './config.ts';
import { biasKeys, decoderKeys, type FolderTensor, ropeKeys, ropeKeysOf, tensorNames, windowKeys } from './family.ts';
import { codegenQkv, groupedQkv, rowsFrom } from './rowOrders.ts';

type Keys = Record<string, unknown>;

/** Names of the fields in configs that descend from GPT-2's. */
const gpt2Fields = {
  layers: 'n_layer',
  width: 'n_embd',
  heads: 'n_head',
  ffn: 'n_inner',
  context: 'n_positions',
  activation: 'activation_function',
  layerNormEpsilon: 'layer_norm_epsilon',
};

/** Names of the tensors in folders that descend from GPT-2's. */
const gpt2Names = {
  blocks: 'h',
  ends: { token_embd: 'wte', position_embd: 'wpe', output_norm: 'ln_f' },
  block: {
    attn_norm: 'ln_1',
    attn_qkv: 'attn.c_attn',
    attn_q: '',
    attn_k: '',
    attn_v: '',
    attn_output: 'attn.c_proj',
    ffn_norm: 'ln_2',
    ffn_gate: '',
    ffn_up: 'mlp.c_fc',
    ffn_down: 'mlp.c_proj',
  },
};

const withoutProjections = { attn_q: '', attn_k: '', attn_v: '', ffn_gate: '' };

function headsOf(config: FolderConfig, headsField: string, widthField: string) {
  const heads = config.count(headsField, MOST_HEADS);
  return { heads, kvHeads: heads, headSize: Math.floor(config.count(widthField) / Math.max(1, heads)) };
}

const isFused = (name: string): boolean => /\.attn_qkv\.(weight|bias)$/.test(name);

// GPT-2: matrices are stored [inputs, outputs] by its Conv1D

export function gpt2Keys(config: FolderConfig): Keys {
  return {
    ...decoderKeys(config, gpt2Fields),
    'attention.unscaled': !config.flag('scale_attn_weights'),
    'attention.scale_by_layer': config.flag('scale_attn_by_inverse_layer_idx'),
  };
}

export const gpt2Tensor = tensorNames({
  ...gpt2Names,
  transposed: /^blk\.\d+\.(attn_qkv|attn_output|ffn_up|ffn_down)\.weight$/,
});

// GPT-BigCode: StarCoder

export function gptBigcodeKeys(config: FolderConfig): Keys {
  const keys = decoderKeys(config, gpt2Fields);
  if (!config.flag('scale_attn_weights')) throw config.unsupported('scale_attn_weights', false, ['true']);
  const heads = config.flag('multi_query') ? 1 : keys['attention.head_count'];
  return { ...keys, 'attention.head_count_kv': heads };
}

export function gptBigcodeTensor(name: string, config: FolderConfig): FolderTensor {
  const tensor = tensorNames(gpt2Names)(name);
  if (!isFused(name) || config.flag('multi_query')) return tensor;
  return { ...tensor, order: () => groupedQkv(headsOf(config, 'n_head', 'n_embd')) };
}

// GPT-Neo

export function gptNeoKeys(config: FolderConfig): Keys {
  const keys = decoderKeys(config, {
    layers: 'num_layers',
    heads: 'num_heads',
    activation: 'activation_function',
    layerNormEpsilon: 'layer_norm_epsilon',
  });
  const kinds = attentionKinds(config, Number(keys.block_count));
  return {
    ...keys,
    'attention.sliding_window': config.count('window_size'),
    'attention.sliding_window_pattern': kinds.map((kind) => Number(kind === 'local')),
  };
}

/** `attention_types` written out: [[['global', 'local'], 4]]. */
function attentionKinds(config: FolderConfig, layers: number): string[] {
  const types = config.list('attention_types');
  const listed = config.list('attention_layers');
  const kinds: unknown[] = [];
  for (const entry of types ?? []) {
    const [pattern, times] = Array.isArray(entry) ? entry : [];
    if (!Array.isArray(pattern) || pattern.length === 0 || typeof times !== 'number')
      throw config.wrong('attention_types', 'pairs of kinds and a count', types);
    for (let i = 0; i < times && kinds.length < layers; i++) kinds.push(...pattern.slice(0, layers));
  }
  // transformers prefers attention_types; without either field, layers alternate
  const found = types
    ? kinds
    : (listed ?? Array.from({ length: layers }, (_, layer) => ['global', 'local'][layer % 2]));
  if (found.length < layers) throw config.wrong('attention_types', `kinds of ${layers} layers`, types ?? listed);
  return found.slice(0, layers).map((kind) => {
    if (kind !== 'global' && kind !== 'local') throw config.unsupported('attention_types', kind, ['global', 'local']);
    return kind;
  });
}

export const gptNeoTensor = tensorNames({
  ...gpt2Names,
  block: {
    ...gpt2Names.block,
    attn_qkv: '',
    attn_q: 'attn.attention.q_proj',
    attn_k: 'attn.attention.k_proj',
    attn_v: 'attn.attention.v_proj',
    attn_output: 'attn.attention.out_proj',
  },
});

// GPT-J and CodeGen

export function gptjKeys(config: FolderConfig): Keys {
  const keys = decoderKeys(config, gpt2Fields);
  const headSize = Number(keys['attention.key_length']);
  const turned = config.number('rotary_dim') ?? headSize;
  return {
    ...keys,
    ...ropeKeysOf({ base: 10000, scaling: undefined, partial: 1 }, headSize),
    'rope.dimension_count': turned,
  };
}

const gptjNames = {
  ...gpt2Names,
  block: {
    ...gpt2Names.block,
    attn_qkv: '',
    attn_q: 'attn.q_proj',
    attn_k: 'attn.k_proj',
    attn_v: 'attn.v_proj',
    attn_output: 'attn.out_proj',
    ffn_norm: '',
    ffn_up: 'mlp.fc_in',
    ffn_down: 'mlp.fc_out',
  },
};
export const gptjTensor = tensorNames(gptjNames);

export function codegenTensor(name: string, config: FolderConfig): FolderTensor {
  const block = { ...gptjNames.block, attn_qkv: 'attn.qkv_proj', attn_q: '', attn_k: '', attn_v: '' };
  const tensor = tensorNames({ ...gptjNames, block })(name);
  return isFused(name) ? { ...tensor, order: () => codegenQkv(headsOf(config, 'n_head', 'n_embd')) } : tensor;
}

// GPT-NeoX

export function gptNeoxKeys(config: FolderConfig): Keys {
  const keys = decoderKeys(config, { layerNormEpsilon: 'layer_norm_eps' });
  const partialField = config.says('rotary_pct') ? 'rotary_pct' : 'partial_rotary_factor';
  const base = config.number('rotary_emb_base');
  const bias = config.flag('attention_bias');
  return {
    ...keys,
    ...ropeKeys(config, keys, { partialField, ...(base === undefined ? {} : { baseField: 'rotary_emb_base' }) }),
    ...biasKeys(bias, bias, true),
    use_parallel_residual: config.flag('use_parallel_residual'),
  };
}

const neoxNames = tensorNames({
  ends: { token_embd: 'embed_in', output_norm: 'final_layer_norm' },
  output: 'embed_out',
  block: {
    ...withoutProjections,
    attn_qkv: 'attention.query_key_value',
    attn_output: 'attention.dense',
    ffn_up: 'mlp.dense_h_to_4h',
    ffn_down: 'mlp.dense_4h_to_h',
  },
});

export function gptNeoxTensor(name: string, config: FolderConfig): FolderTensor {
  const tensor = neoxNames(name);
  if (!isFused(name)) return tensor;
  return { ...tensor, order: () => groupedQkv(headsOf(config, 'num_attention_heads', 'hidden_size')) };
}

// Persimmon

export function persimmonKeys(config: FolderConfig): Keys {
  const keys = decoderKeys(config, { layerNormEpsilon: 'layer_norm_eps' });
  config.flag('qk_layernorm');
  return { ...keys, ...ropeKeys(config, keys) };
}

const persimmonNames = tensorNames({
  ends: { output_norm: 'final_layernorm' },
  block: {
    ...withoutProjections,
    attn_qkv: 'self_attn.query_key_value',
    attn_q_norm: 'self_attn.q_layernorm',
    attn_k_norm: 'self_attn.k_layernorm',
    attn_output: 'self_attn.dense',
    ffn_up: 'mlp.dense_h_to_4h',
    ffn_down: 'mlp.dense_4h_to_h',
  },
});

export function persimmonTensor(name: string, config: FolderConfig): FolderTensor {
  const tensor = persimmonNames(name);
  if (!isFused(name)) return tensor;
  return { ...tensor, order: () => groupedQkv(headsOf(config, 'num_attention_heads', 'hidden_size')) };
}

// BLOOM

export function bloomKeys(config: FolderConfig): Keys {
  const width = config.says('n_embed') ? 'n_embed' : 'hidden_size';
  const keys = decoderKeys(config, {
    layers: config.says('num_hidden_layers') ? 'num_hidden_layers' : 'n_layer',
    heads: config.says('num_attention_heads') ? 'num_attention_heads' : 'n_head',
    width,
    ffn: 'n_inner',
    context: 'seq_length',
    kvHeads: 'n_head',
    headSize: 'head_dim',
    activation: 'bloom_activation',
    layerNormEpsilon: 'layer_norm_epsilon',
  });
  if (config.flag('apply_residual_connection_post_layernorm'))
    throw config.unsupported('apply_residual_connection_post_layernorm', true, ['false']);
  return { ...keys, 'attention.head_count_kv': keys['attention.head_count'] };
}

const bloomNames = tensorNames({
  blocks: 'h',
  ends: { token_embd: 'word_embeddings', token_embd_norm: 'word_embeddings_layernorm', output_norm: 'ln_f' },
  block: {
    ...withoutProjections,
    attn_qkv: 'self_attention.query_key_value',
    attn_output: 'self_attention.dense',
    ffn_up: 'mlp.dense_h_to_4h',
    ffn_down: 'mlp.dense_4h_to_h',
  },
});

export function bloomTensor(name: string, config: FolderConfig): FolderTensor {
  const tensor = bloomNames(name);
  if (!isFused(name)) return tensor;
  const heads = config.says('num_attention_heads') ? 'num_attention_heads' : 'n_head';
  return {
    ...tensor,
    order: () => groupedQkv(headsOf(config, heads, config.says('n_embed') ? 'n_embed' : 'hidden_size')),
  };
}

// Falcon

export function falconKeys(config: FolderConfig): Keys {
  const keys = decoderKeys(config, {
    ffn: 'ffn_hidden_size',
    kvHeads: 'num_kv_heads',
    activation: 'activation',
    layerNormEpsilon: 'layer_norm_epsilon',
  });
  const bias = config.flag('bias');
  const isNew = config.flag('new_decoder_architecture');
  const heads = isNew ? keys['attention.head_count_kv'] : config.flag('multi_query') ? 1 : keys['attention.head_count'];
  // transformers computes it in bfloat16
  if (config.flag('alibi')) throw config.unsupported('alibi', true, ['false']);
  return {
    ...keys,
    ...ropeKeys(config, keys),
    ...biasKeys(bias, bias, bias),
    'attention.head_count_kv': heads,
    use_parallel_residual: isNew || config.flag('parallel_attn'),
  };
}

export function falconTensor(name: string, config: FolderConfig): FolderTensor {
  const isNew = config.flag('new_decoder_architecture');
  const two = isNew && (config.number('num_ln_in_parallel_attn') ?? 2) === 2;
  const tensor = tensorNames({
    blocks: 'h',
    ends: { token_embd: 'word_embeddings', output_norm: 'ln_f' },
    block: {
      ...withoutProjections,
      attn_norm: two ? 'ln_mlp' : 'input_layernorm',
      ...(two ? { attn_norm_2: 'ln_attn' } : {}),
      ffn_norm: 'post_attention_layernorm',
      attn_qkv: 'self_attention.query_key_value',
      attn_output: 'self_attention.dense',
      ffn_up: 'mlp.dense_h_to_4h',
      ffn_down: 'mlp.dense_4h_to_h',
    },
  })(name);
  if (!isFused(name) || (!isNew && config.flag('multi_query'))) return tensor;
  const heads = headsOf(config, 'num_attention_heads', 'hidden_size');
  const kvHeads = isNew ? (config.number('num_kv_heads') ?? heads.heads) : heads.heads;
  return { ...tensor, order: () => groupedQkv({ ...heads, kvHeads }) };
}

// MPT

export function mptKeys(config: FolderConfig): Keys {
  const keys = decoderKeys(config, {
    layers: 'n_layers',
    width: 'd_model',
    heads: 'n_heads',
    ffn: 'ffn_hidden_size',
    context: 'max_seq_len',
    kvHeads: 'n_kv_heads',
    activation: 'mpt_activation',
    layerNormEpsilon: 'layer_norm_epsilon',
  });
  const attention = config.object('attn_config') ?? {};
  const isOn = (field: string): boolean => attention[field] === true;
  if (isOn('qk_ln')) throw config.unsupported('attn_config.qk_ln', true, ['false']);
  if (isOn('prefix_lm')) throw config.unsupported('attn_config.prefix_lm', true, ['false']);
  const { clip_qkv: clip, softmax_scale: scale, alibi_bias_max: most = 8, alibi = true } = attention;
  if (config.value('logit_scale') !== undefined)
    throw config.unsupported('logit_scale', config.value('logit_scale'), ['null']);
  return {
    ...keys,
    // the class in transformers does not look at expansion_ratio
    feed_forward_length: 4 * Number(keys.embedding_length),
    bias: false,
    // transformers' code never has learned positions
    learned_positions: false,
    'attention.clamp_kqv': clip ?? 0,
    'attention.scale': scale ?? undefined,
    'attention.max_alibi_bias': alibi === false ? 0 : most,
  };
}

export const mptTensor = tensorNames({
  blocks: 'blocks',
  ends: { token_embd: 'wte', position_embd: 'wpe', output_norm: 'norm_f' },
  block: {
    ...withoutProjections,
    attn_norm: 'norm_1',
    ffn_norm: 'norm_2',
    attn_qkv: 'attn.Wqkv',
    attn_output: 'attn.out_proj',
    ffn_up: 'ffn.up_proj',
    ffn_down: 'ffn.down_proj',
  },
});

// OPT and BioGPT: the first two learned positions are for padding

const decoderNames = {
  block: {
    attn_norm: 'self_attn_layer_norm',
    attn_output: 'self_attn.out_proj',
    ffn_norm: 'final_layer_norm',
    ffn_gate: '',
    ffn_up: 'fc1',
    ffn_down: 'fc2',
  },
};

const withoutPadding = (tensor: FolderTensor): FolderTensor => ({ ...tensor, order: (rows) => rowsFrom(2, rows) });

export function optKeys(config: FolderConfig): Keys {
  const keys = decoderKeys(config, {
    ffn: 'ffn_dim',
    activation: 'activation_function',
    layerNormEpsilon: 'layer_norm_eps',
  });
  for (const [field, only] of Object.entries({ do_layer_norm_before: true, layer_norm_elementwise_affine: true }))
    if (config.flag(field) !== only) throw config.unsupported(field, !only, [String(only)]);
  if (config.flag('_remove_final_layer_norm')) throw config.unsupported('_remove_final_layer_norm', true, ['false']);
  const projected = config.number('word_embed_proj_dim');
  if (projected !== undefined && projected !== keys.embedding_length)
    throw config.unsupported('word_embed_proj_dim', projected, [String(keys.embedding_length)]);
  const bias = config.flag('enable_bias');
  return { ...keys, ...biasKeys(bias, bias, bias), 'attention.layer_norm_epsilon': 1e-5 };
}

const optNames = tensorNames({
  ...decoderNames,
  ends: { position_embd: 'embed_positions', output_norm: 'final_layer_norm' },
});

export const optTensor = (name: string): FolderTensor =>
  name === 'position_embd.weight' ? withoutPadding(optNames(name)) : optNames(name);

export function biogptKeys(config: FolderConfig): Keys {
  return {
    ...decoderKeys(config, { layerNormEpsilon: 'layer_norm_eps' }),
    embedding_scaled: config.flag('scale_embedding'),
  };
}

const biogptNames = tensorNames({
  ...decoderNames,
  ends: { position_embd: 'embed_positions', output_norm: 'layer_norm' },
  output: 'output_projection',
});

export const biogptTensor = (name: string): FolderTensor =>
  name === 'position_embd.weight' ? withoutPadding(biogptNames(name)) : biogptNames(name);

// families with Llama's tensors and layer norms

export function phiKeys(config: FolderConfig): Keys {
  const keys = decoderKeys(config, { layerNormEpsilon: 'layer_norm_eps' });
  config.flag('qk_layernorm');
  return { ...keys, ...ropeKeys(config, keys, { partial: 0.5 }), ...biasKeys(true, true, true) };
}

export function stablelmKeys(config: FolderConfig): Keys {
  const keys = decoderKeys(config, { layerNormEpsilon: 'layer_norm_eps' });
  config.flag('qk_layernorm');
  config.flag('use_parallel_residual');
  return {
    ...keys,
    ...ropeKeys(config, keys, { partial: 0.25 }),
    ...biasKeys(config.flag('use_qkv_bias'), false, false),
  };
}

const stablelmNames = tensorNames();

/** Norms of heads are stored one per tensor. */
export function stablelmTensor(name: string, config: FolderConfig): FolderTensor {
  const headNorm = /^blk\.(\d+)\.attn_([qk])_norm\.weight$/.exec(name);
  if (!headNorm) return stablelmNames(name);
  const field =
    headNorm[2] === 'k' && config.value('num_key_value_heads') !== undefined
      ? 'num_key_value_heads'
      : 'num_attention_heads';
  const count = config.count(field, MOST_HEADS);
  const stacked = Array.from(
    { length: count },
    (_, head) => `layers.${headNorm[1]}.self_attn.${headNorm[2]}_layernorm.norms.${head}.weight`,
  );
  return { names: [], stacked };
}

export function starcoder2Keys(config: FolderConfig): Keys {
  const keys = decoderKeys(config, { layerNormEpsilon: 'norm_epsilon' });
  const bias = config.flag('use_bias');
  const window = windowKeys(config, Number(keys.block_count), () => true);
  return { ...keys, ...ropeKeys(config, keys), ...biasKeys(bias, bias, bias), ...window };
}

export function nemotronKeys(config: FolderConfig): Keys {
  const keys = decoderKeys(config, { layerNormEpsilon: 'norm_eps' });
  const bias = config.flag('attention_bias');
  return { ...keys, ...ropeKeys(config, keys, { partial: 0.5 }), ...biasKeys(bias, bias, config.flag('mlp_bias')) };
}

export function jais2Keys(config: FolderConfig): Keys {
  const keys = decoderKeys(config, { layerNormEpsilon: 'layer_norm_eps' });
  const bias = config.flag('attention_bias');
  return { ...keys, ...ropeKeys(config, keys), ...biasKeys(bias, bias, config.flag('mlp_bias')) };
}
