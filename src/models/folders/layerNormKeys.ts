/** Phi, StableLM, StarCoder 2, Nemotron and Jais 2: Llama's tensors with layer norms. */
import { MOST_HEADS } from '../limits.ts';
import type { FolderConfig } from './config.ts';
import { biasKeys, decoderKeys, type FolderTensor, ropeKeys, tensorNames, windowKeys } from './family.ts';

type Keys = Record<string, unknown>;

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
