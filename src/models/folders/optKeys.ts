/** OPT and BioGPT: the first two learned positions are for padding. */
import type { FolderConfig } from './config.ts';
import { biasKeys, decoderKeys, type FolderTensor, tensorNames } from './family.ts';
import { rowsFrom } from './rowOrders.ts';

type Keys = Record<string, unknown>;

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
