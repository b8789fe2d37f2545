/** Norms of decoders: rmsNorm or layerNorm, with or without gain and bias. */
import type { Value } from '../../graph/graph.ts';
import { gain as scaled } from '../../graph/ops/gain.ts';
import { layerNorm } from '../../graph/ops/layerNorm.ts';
import { rmsNorm } from '../../graph/ops/rmsNorm.ts';
import type { ModelBuilder, Presence } from '../modelBuilder.ts';

export interface Norm {
  readonly kind: 'rms' | 'layer';
  /** False if the norm has no gain. Default: true. */
  readonly gain?: boolean;
  /** Default: true for layerNorm, false for rmsNorm. */
  readonly bias?: Presence;
  /** Presence of a gain whose name is `<name>`, without a suffix. Default: false. */
  readonly bare?: Presence;
  /** Default: the file's epsilon of this kind. */
  readonly epsilon?: number;
}

const epsilonKeys = { rms: 'attention.layer_norm_rms_epsilon', layer: 'attention.layer_norm_epsilon' };

const isBare = (model: ModelBuilder, name: string, bare: Presence = false): boolean =>
  bare === 'optional' ? model.has(name) : bare;

/** Norm of a whole row with the gain `<name>.weight` and the bias `<name>.bias`. */
export function norm(model: ModelBuilder, x: Value, name: string, options: Norm): Value {
  return groupNorm(model, x, name, x.shape[1], options);
}

/** Norm of groups of `size` columns, which share gain and bias. */
export function groupNorm(model: ModelBuilder, x: Value, name: string, size: number, options: Norm): Value {
  const { kind } = options;
  const gain =
    options.gain === false
      ? model.constantVector(1, size)
      : model.weight(isBare(model, name, options.bare) ? name : `${name}.weight`, 1, size);
  const epsilon = options.epsilon ?? model.metadata.number(epsilonKeys[kind]);
  const found = model.maybe(options.bias ?? kind === 'layer', `${name}.bias`, 1, size);
  if (kind === 'rms') {
    const y = rmsNorm(x, gain, epsilon, name);
    return found ? scaled(y, model.constantVector(1, 1), `${name}.biased`, { bias: found }) : y;
  }
  const bias = found ?? model.constantVector(0, size);
  return layerNorm(x, gain, bias, epsilon, name);
}
