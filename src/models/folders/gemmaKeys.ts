/** config.json → GGUF keys, for the Gemma families. */
import type { FolderConfig } from './config.ts';
import { isFields } from './config.ts';
import { biasKeys, decoderKeys, ropeKeys, ropeKeysOf, windowKeys } from './family.ts';
import { ropeOfRecord } from './ropeScaling.ts';

type Keys = Record<string, unknown>;

function biases(config: FolderConfig): Keys {
  // see gemma3Keys for the one family that computes it
  if (config.value('use_bidirectional_attention'))
    throw config.unsupported('use_bidirectional_attention', config.value('use_bidirectional_attention'), ['false']);
  const bias = config.flag('attention_bias');
  return biasKeys(bias, bias, false);
}

export function gemmaKeys(config: FolderConfig): Keys {
  const activation = config.says('hidden_activation') && config.value('hidden_activation') !== undefined;
  const keys = decoderKeys(config, activation ? { activation: 'hidden_activation' } : {});
  config.value('hidden_act');
  return { ...keys, ...ropeKeys(config, keys), ...biases(config) };
}

/** Keys that Gemma 2, Gemma 3 and VaultGemma share. */
function scoreKeys(config: FolderConfig): Keys {
  // the older field of published configs is ignored
  config.value('hidden_act');
  return {
    'attention.scale': (config.number('query_pre_attn_scalar') ?? 256) ** -0.5,
    attn_logit_softcapping: config.number('attn_logit_softcapping'),
    final_logit_softcapping: config.number('final_logit_softcapping'),
  };
}

export function gemma2Keys(config: FolderConfig): Keys {
  const keys = decoderKeys(config, { activation: 'hidden_activation' });
  const window = windowKeys(config, Number(keys.block_count), (layer) => layer % 2 === 0);
  return { ...keys, ...ropeKeys(config, keys), ...biases(config), ...scoreKeys(config), ...window };
}

export function gemma3Keys(config: FolderConfig): Keys {
  const keys = decoderKeys(config, { activation: 'hidden_activation' });
  const headSize = Number(keys['attention.key_length']);
  const period = config.number('sliding_window_pattern') ?? config.number('_sliding_window_pattern') ?? 6;
  const window = windowKeys(config, Number(keys.block_count), (layer) => (layer + 1) % period !== 0);
  const nested = config.object('rope_parameters') ?? {};
  const own = (type: string) => (isFields(nested[type]) ? nested[type] : {});
  // in older configs, scaling applies only to global layers
  const scaling = config.object('rope_scaling') ?? {};
  const [theta, localTheta] = [config.number('rope_theta'), config.number('rope_local_base_freq')];
  const global = ropeOfRecord(
    config,
    { rope_theta: theta ?? 1_000_000, ...own('full_attention'), ...scaling },
    { headSize },
  );
  const local = ropeOfRecord(config, { rope_theta: localTheta ?? 10_000, ...own('sliding_attention') }, { headSize });
  const bias = config.flag('attention_bias');
  return {
    ...keys,
    ...ropeKeysOf(global, headSize),
    ...biasKeys(bias, bias, false),
    ...(config.value('use_bidirectional_attention') ? { 'attention.causal': false } : {}),
    ...scoreKeys(config),
    ...window,
    'rope.freq_base_swa': local.base,
    ...(local.scaling ? { 'rope.local_scaling': local.scaling } : {}),
  };
}
