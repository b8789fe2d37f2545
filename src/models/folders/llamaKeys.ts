/** config.json → GGUF keys, for families that have Llama's fields. */
import type { FolderConfig } from './config.ts';
import { biasKeys, decoderKeys, ropeKeys, ropeKeysOf, windowKeys } from './family.ts';
import { ropeByLayerType, ropeOf } from './ropeScaling.ts';

type Keys = Record<string, unknown>;

/** Defaults of transformers' Llama, which families with its shape have copied. */
export const llamaDefaults = {
  hidden_size: 4096,
  intermediate_size: 11008,
  num_hidden_layers: 32,
  num_attention_heads: 32,
  hidden_act: 'silu',
  max_position_embeddings: 2048,
  rms_norm_eps: 1e-6,
  rope_theta: 10000,
};

/** Defaults of transformers' Mistral. */
export const mistralDefaults = {
  ...llamaDefaults,
  intermediate_size: 14336,
  num_key_value_heads: 8,
  max_position_embeddings: 131072,
  sliding_window: 4096,
};

export function llamaKeys(config: FolderConfig): Keys {
  const keys = decoderKeys(config);
  const bias = config.flag('attention_bias');
  return { ...keys, ...ropeKeys(config, keys), ...biasKeys(bias, bias, config.flag('mlp_bias')) };
}

/** Mistral and Ministral: a sliding window on all layers, or on those in layer_types. */
export function windowedKeys(config: FolderConfig): Keys {
  const keys = decoderKeys(config);
  const window = windowKeys(config, Number(keys.block_count), () => true);
  return { ...keys, ...ropeKeys(config, keys), ...biasKeys(false, false, false), ...window };
}

/** CWM: a sliding window on all layers except layers 0, 4, 8 … */
export function windowedByFourKeys(config: FolderConfig): Keys {
  const keys = llamaKeys(config);
  return { ...keys, ...windowKeys(config, Number(keys.block_count), (layer) => layer % 4 !== 0) };
}

export function ministral3Keys(config: FolderConfig): Keys {
  const keys = decoderKeys(config);
  const headSize = Number(keys['attention.key_length']);
  const rope = ropeOf(config, { headSize, ownFields: ['llama_4_scaling_beta'] });
  const record = config.object('rope_parameters') ?? config.object('rope_scaling') ?? {};
  const window = windowKeys(config, Number(keys.block_count), () => true);
  return {
    ...keys,
    ...ropeKeysOf(rope, headSize),
    ...biasKeys(false, false, false),
    ...window,
    'attention.temperature_scale': record.llama_4_scaling_beta ?? undefined,
    'rope.scaling.original_context_length': record.original_max_position_embeddings ?? undefined,
  };
}

/** Qwen 2 and 3: with `use_sliding_window`, the layers from `max_window_layers` on have a sliding window. */
export function qwen2Keys(config: FolderConfig): Keys {
  const keys = decoderKeys(config);
  const isQwen3 = config.text('model_type')?.startsWith('qwen3') ?? false;
  const bias = isQwen3 ? config.flag('attention_bias') : true;
  const first = config.number('max_window_layers') ?? 0;
  const hasWindow = config.flag('use_sliding_window');
  const window = windowKeys(config, Number(keys.block_count), (layer) => hasWindow && layer >= first);
  return {
    ...keys,
    ...ropeKeys(config, keys),
    ...biasKeys(bias, isQwen3 && bias, false),
    ...(hasWindow ? window : {}),
  };
}

export function olmo3Keys(config: FolderConfig): Keys {
  const keys = decoderKeys(config);
  const headSize = Number(keys['attention.key_length']);
  const bias = config.flag('attention_bias');
  const window = windowKeys(config, Number(keys.block_count), (layer) => (layer + 1) % 4 !== 0);
  const global = ropeByLayerType(config, 'full_attention', { headSize });
  // a single record applies to the global layers
  const isNested = 'sliding_attention' in (config.object('rope_parameters') ?? {});
  const local = isNested ? ropeByLayerType(config, 'sliding_attention', { headSize }) : undefined;
  return {
    ...keys,
    ...ropeKeysOf(global, headSize),
    ...biasKeys(bias, bias, false),
    ...window,
    'rope.freq_base_swa': local?.base ?? config.number('rope_theta') ?? global.base,
    ...(local?.scaling ? { 'rope.local_scaling': local.scaling } : {}),
  };
}

export function exaone4Keys(config: FolderConfig): Keys {
  const keys = decoderKeys(config);
  const pattern = config.value('sliding_window_pattern');
  const period = typeof pattern === 'number' ? pattern : typeof pattern === 'string' ? pattern.length : 4;
  const layers = Number(keys.block_count);
  const isLocal = (layer: number): boolean =>
    typeof pattern === 'string'
      ? pattern[layer % period] === 'L' && layer < layers - 1
      : period > 0 && (layer + 1) % period !== 0;
  const window = windowKeys(config, layers, isLocal);
  return { ...keys, ...ropeKeys(config, keys), ...biasKeys(false, false, false), ...window };
}

export function glmKeys(config: FolderConfig): Keys {
  const keys = decoderKeys(config);
  return { ...keys, ...ropeKeys(config, keys), ...biasKeys(config.flag('attention_bias'), false, false) };
}

export function heliumKeys(config: FolderConfig): Keys {
  const keys = decoderKeys(config);
  return {
    ...keys,
    ...ropeKeys(config, keys),
    ...biasKeys(config.flag('attention_bias'), false, config.flag('mlp_bias')),
  };
}

/** Hunyuan's `dynamic` scaling with `alpha` is a larger base for any length. */
export function hunyuanKeys(config: FolderConfig): Keys {
  const keys = decoderKeys(config);
  const headSize = Number(keys['attention.key_length']);
  const record = config.object('rope_scaling') ?? config.object('rope_parameters') ?? {};
  const bias = config.flag('attention_bias');
  const rope = ropeOf(config, { headSize, ownFields: ['alpha'] });
  const alpha = typeof record.alpha === 'number' && record.alpha !== 0 ? record.alpha : undefined;
  const type = record.rope_type ?? record.type;
  const own = type === 'dynamic' && alpha !== undefined;
  return {
    ...keys,
    ...ropeKeysOf(
      own ? { ...rope, base: rope.base * alpha ** (headSize / (headSize - 2)), scaling: undefined } : rope,
      headSize,
    ),
    ...biasKeys(bias, bias, false),
  };
}

/** Phi-3: `su` is the older name of `longrope`. */
export function phi3Keys(config: FolderConfig): Keys {
  const keys = decoderKeys(config);
  const window = windowKeys(config, Number(keys.block_count), () => true);
  return {
    ...keys,
    ...ropeKeys(config, keys, { longrope: ['su', 'yarn'] }),
    ...biasKeys(false, false, false),
    ...window,
  };
}
