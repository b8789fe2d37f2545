/** Folders whose blocks have mixers of Mamba or Mamba 2. */
import type { FolderConfig } from './config.ts';
import { minusExp } from './deltaNetKeys.ts';
import { type FolderTensor, type TensorNames, tensorNames } from './family.ts';

export interface MambaNames extends TensorNames {
  /** Name of the mixer within a block: mamba. */
  readonly mixer?: string;
}

/** Adds a mixer's tensors to those of a family. */
export function mambaTensor(names: MambaNames): (name: string) => FolderTensor {
  const { mixer = 'mamba' } = names;
  const parts = {
    ssm_in: 'in_proj',
    ssm_conv1d: 'conv1d',
    ssm_x: 'x_proj',
    ssm_dt: 'dt_proj',
    ssm_norm: 'norm',
    ssm_out: 'out_proj',
    ssm_dt_norm: 'dt_layernorm',
    ssm_b_norm: 'b_layernorm',
    ssm_c_norm: 'c_layernorm',
  };
  const inMixer = Object.entries(parts).map(([own, theirs]) => [own, `${mixer}.${theirs}`]);
  const named = tensorNames({ ...names, block: { ...Object.fromEntries(inMixer), ...names.block } });
  return (name) => {
    const vector = /^blk\.(\d+)\.ssm_(a|d|dt\.bias)$/.exec(name);
    if (!vector) return named(name);
    const folder = `layers.${vector[1]}.${mixer}`;
    if (vector[2] === 'a') return { names: [`${folder}.A_log`], change: minusExp };
    if (vector[2] === 'd') return { names: [`${folder}.D`] };
    return { names: [`${folder}.dt_bias`, `${folder}.dt_proj.bias`] };
  };
}

/** Keys of a Mamba 2 mixer in a hybrid's config, whose fields begin with `mamba_`. @param inner number of channels */
export function hybridMambaKeys(config: FolderConfig, inner: number): Record<string, unknown> {
  const heads = config.count('mamba_n_heads');
  const size = config.value('mamba_d_head');
  if (size !== 'auto' && size !== undefined && config.count('mamba_d_head') * heads !== inner)
    throw config.wrong('mamba_d_head', `${inner / heads}, as there are ${inner} channels and ${heads} heads`, size);
  for (const field of ['mamba_expand', 'mamba_conv_bias', 'mamba_proj_bias', 'mamba_chunk_size']) config.value(field);
  return {
    'ssm.conv_kernel': config.count('mamba_d_conv'),
    'ssm.state_size': config.count('mamba_d_state'),
    'ssm.inner_size': inner,
    'ssm.time_step_rank': heads,
    'ssm.group_count': config.count('mamba_n_groups'),
    ...timeStepLimits(config),
  };
}

/** Limits of the rates. An absent or infinite one is JSON's null or the text Infinity. */
export function timeStepLimits(config: FolderConfig, least = 0): Record<string, unknown> {
  const [from, to] = config.list('time_step_limit') ?? [];
  const limits = [typeof from === 'number' ? from : 0, typeof to === 'number' ? to : Number.POSITIVE_INFINITY];
  const [low, high] = [Math.max(least, limits[0]), limits[1]];
  return {
    ...(low > 0 ? { 'ssm.time_step_min': low } : {}),
    ...(Number.isFinite(high) ? { 'ssm.time_step_max': high } : {}),
  };
}
