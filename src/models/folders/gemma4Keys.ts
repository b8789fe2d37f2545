/** config.json → GGUF keys, for Gemma 4, whose global layers have other heads than its local ones. */
import { type Fields, type FolderConfig, isFields } from './config.ts';
import { biasKeys, decoderKeys, windowKeys } from './family.ts';
import { ropeOfRecord } from './ropeScaling.ts';

export function gemma4Keys(config: FolderConfig): Record<string, unknown> {
  const bidirectional = config.value('use_bidirectional_attention');
  // 'vision' is about images
  if (bidirectional && bidirectional !== 'vision')
    throw config.unsupported('use_bidirectional_attention', bidirectional, ['vision']);
  if (config.flag('enable_moe_block')) throw config.unsupported('enable_moe_block', true, ['false']);
  for (const field of [
    'vocab_size_per_layer_input',
    'num_experts',
    'top_k_experts',
    'moe_intermediate_size',
    'hidden_act',
  ])
    config.value(field);
  const keys = decoderKeys(config, { activation: 'hidden_activation' });
  const layers = Number(keys.block_count);
  const window = windowKeys(config, layers, (layer) => (layer + 1) % 6 !== 0 && layer < layers - 1);
  const isLocal = (layer: number) => Boolean((window['attention.sliding_window_pattern'] as number[])[layer]);
  const shared = config.number('num_kv_shared_layers') ?? 0;
  const ffn = config.count('intermediate_size');
  const wide = config.flag('use_double_wide_mlp');
  const localSize = Number(keys['attention.key_length']);
  const own = globalHeads(config, layers, isLocal);
  const headSize = own.headSize ?? (own.isStated ? localSize : 512);
  const bias = config.flag('attention_bias');
  return {
    ...keys,
    ...window,
    ...biasKeys(bias, bias, false),
    ...ropes(config, headSize, localSize),
    'attention.key_length': headSize,
    'attention.key_length_swa': localSize,
    'attention.head_count_kv': Array.from({ length: layers }, (_, layer) =>
      isLocal(layer)
        ? Number(keys['attention.head_count_kv'])
        : (own.kvHeads ?? Number(keys['attention.head_count_kv'])),
    ),
    'attention.shared_kv_layers': shared,
    feed_forward_length: Array.from({ length: layers }, (_, layer) =>
      wide && layer >= layers - shared ? 2 * ffn : ffn,
    ),
    embedding_length_per_layer_input: config.number('hidden_size_per_layer_input') ?? 0,
    final_logit_softcapping: config.number('final_logit_softcapping'),
  };
}

/** Heads of the global layers: two fields, or a record per layer, as transformers 5 writes them. @throws if they differ */
function globalHeads(config: FolderConfig, layers: number, isLocal: (layer: number) => boolean) {
  const records = config.object('per_layer_config');
  const size = config.number('global_head_dim');
  const sharesValues = config.flag('attention_k_eq_v');
  const heads = config.number('num_global_key_value_heads');
  if (!records) return { isStated: false, headSize: size, kvHeads: sharesValues ? heads : undefined };
  const numberOf = (record: Fields, field: string): number | undefined => {
    const value = record[field];
    if (value !== undefined && typeof value !== 'number')
      throw config.wrong(`per_layer_config.${field}`, 'a number', value);
    return value;
  };
  const found = Array.from({ length: layers }, (_, layer) => {
    const record = records[layer];
    const fields = isFields(record) ? record : {};
    const other = Object.keys(fields).find((field) => field !== 'head_dim' && field !== 'num_key_value_heads');
    if (other) throw config.unsupported(`per_layer_config.${other}`, fields[other]);
    return [numberOf(fields, 'head_dim'), numberOf(fields, 'num_key_value_heads')] as const;
  });
  const globals = found.filter((_, layer) => !isLocal(layer));
  const isPlain = found.every(([head, kv], layer) => !isLocal(layer) || (head === undefined && kv === undefined));
  const [first] = globals;
  if (!isPlain || globals.some(([head, kv]) => head !== first[0] || kv !== first[1]))
    throw config.unsupported('per_layer_config', 'of different heads', ['the same heads in all global layers']);
  return { isStated: true, headSize: first?.[0], kvHeads: first?.[1] };
}

/** The global layers turn a part of each head ('proportional'), in pairs half a head apart. */
function ropes(config: FolderConfig, headSize: number, localSize: number): Record<string, unknown> {
  const nested = config.object('rope_parameters') ?? {};
  const record = (type: string): Fields => (isFields(nested[type]) ? nested[type] : {});
  const global: Fields = { rope_theta: 1_000_000, partial_rotary_factor: 0.25, ...record('full_attention') };
  const type = global.rope_type ?? 'proportional';
  if (type !== 'proportional') throw config.unsupported('rope_parameters.rope_type', type, ['proportional']);
  const { base, partial } = ropeOfRecord(config, { ...global, rope_type: 'default' }, { headSize });
  const local = ropeOfRecord(config, { rope_theta: 10_000, ...record('sliding_attention') }, { headSize: localSize });
  if (local.scaling || local.partial !== 1)
    throw config.unsupported('rope_parameters.sliding_attention', 'with scaling', ['rope_type default']);
  return {
    'rope.freq_base': base,
    'rope.freq_base_swa': local.base,
    'rope.dimension_count': headSize,
    'rope.dimension_count_swa': localSize,
    'rope.scaling': { type: 'proportional', pairs: Math.floor((partial * headSize) / 2), magnitude: 1 },
  };
}
