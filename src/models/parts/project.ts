/** Matrix product with a weight of the file, its bias and scale, and the low-rank factors of an adapter. */
import type { Value } from '../../graph/graph.ts';
import { add } from '../../graph/ops/add.ts';
import { gain } from '../../graph/ops/gain.ts';
import { linear } from '../../graph/ops/linear.ts';
import { scale } from '../../graph/ops/scale.ts';
import type { ModelBuilder, Presence } from '../modelBuilder.ts';

export interface Projection {
  /** Default: optional. */
  readonly bias?: Presence;
  /**
   * Use of the number `<name>.scale` that some files have for a matrix (NVFP4): scales the product before or after the bias
   * is added. Default: ignored, as in llama.cpp.
   */
  readonly scaled?: 'before bias' | 'after bias';
}

/** linear with `<name>.weight` [outputs, inputs] and, if present, `<name>.bias`. */
export function project(model: ModelBuilder, x: Value, name: string, outputs: number, options: Projection = {}): Value {
  const { bias: presence = 'optional', scaled } = options;
  const matrix = model.weight(`${name}.weight`, outputs, x.shape[1]);
  const bias = model.maybe(presence, `${name}.bias`, 1, outputs);
  const factor = scaled && model.optional(`${name}.scale`, 1, 1);
  const y = factor ? scaledProduct(x, matrix, bias, factor, scaled, name) : linear(x, matrix, bias, name);
  const factors = model.factors(matrix);
  if (!factors) return y;
  const inner = linear(x, factors.a, undefined, `${name}.lora_a`);
  const delta = linear(inner, factors.b, undefined, `${name}.lora_b`);
  return add(y, factors.scale === 1 ? delta : scale(delta, factors.scale, `${name}.lora_scale`), `${name}.lora`);
}

function scaledProduct(
  x: Value,
  matrix: Value,
  bias: Value | undefined,
  factor: Value,
  scaled: NonNullable<Projection['scaled']>,
  name: string,
): Value {
  const label = `${name}.scale`;
  if (!bias || scaled === 'after bias') return gain(linear(x, matrix, bias, name), factor, label);
  return gain(linear(x, matrix, undefined, name), factor, label, { bias });
}
