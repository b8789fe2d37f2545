/** config.json → GGUF keys, for Cohere's families. */
import type { FolderConfig } from './config.ts';
import { biasKeys, decoderKeys, ropeKeys, windowKeys } from './family.ts';

type Keys = Record<string, unknown>;

export function cohereKeys(config: FolderConfig): Keys {
  const keys = decoderKeys(config, { layerNormEpsilon: 'layer_norm_eps' });
  const bias = config.flag('attention_bias');
  // the tensors also show if heads have norms; the flag must agree with them
  config.flag('use_qk_norm');
  return {
    ...keys,
    ...ropeKeys(config, keys, { base: 500_000 }),
    ...biasKeys(bias, bias, false),
    logit_scale: config.number('logit_scale'),
  };
}

export function cohere2Keys(config: FolderConfig): Keys {
  const keys = decoderKeys(config, { layerNormEpsilon: 'layer_norm_eps' });
  const bias = config.flag('attention_bias');
  const period = config.number('sliding_window_pattern') ?? 4;
  const window = windowKeys(config, Number(keys.block_count), (layer) => (layer + 1) % period !== 0);
  return {
    ...keys,
    ...ropeKeys(config, keys),
    ...biasKeys(bias, bias, false),
    ...window,
    logit_scale: config.number('logit_scale'),
  };
}
