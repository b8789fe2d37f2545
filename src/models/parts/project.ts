/** Matrix product with a weight of the file, its bias and scale, and the low-rank factors of an adapter. */
import { UnsupportedError } from '../../core/errors.ts';
import type { Value } from '../../graph/graph.ts';
import { add } from '../../graph/ops/add.ts';
import { columns } from '../../graph/ops/columns.ts';
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
  const product = (by?: Value): Value => refined(model, linear(x, matrix, by, name), x, name);
  const y = factor ? scaledProduct(product, bias, factor, scaled, name) : product(bias);
  const factors = model.factors(matrix);
  if (!factors) return y;
  const inner = linear(x, factors.a, undefined, `${name}.lora_a`);
  const delta = linear(inner, factors.b, undefined, `${name}.lora_b`);
  return add(y, factors.scale === 1 ? delta : scale(delta, factors.scale, `${name}.lora_scale`), `${name}.lora`);
}

/** Name of a slab of columns (nested widths), without '.weight'. @param name of the matrix, without it */
export const slabName = (name: string, index: number): string => `${name}.slab${index}`;

/** As `project`; a matrix that is loaded in slabs of columns (nested widths) is the sum of its products with them. */
export function projectSlabs(
  model: ModelBuilder,
  x: Value,
  name: string,
  outputs: number,
  options: Projection = {},
): Value {
  let sum: Value | undefined;
  for (let index = 0, from = 0; ; index++) {
    const slab = slabName(name, index);
    const width = model.shapeOf(`${slab}.weight`)?.columns;
    if (width === undefined) return sum ?? project(model, x, name, outputs, options);
    const part = width === x.shape[1] ? x : columns(x, from, width, `${slab}.columns`);
    const bias = index === 0 ? options.bias : false;
    const product = project(model, part, slab, outputs, { ...options, bias });
    sum = sum ? add(sum, product, `${slab}.sum`) : product;
    from += width;
  }
}

/** Adds the product with the low plane of nested bits, if the file is read with it. */
function refined(model: ModelBuilder, y: Value, x: Value, name: string): Value {
  const stored = model.shapeOf(`${name}.low`);
  // nibbles: the file was not opened as one with nested bits
  if (stored && 2 * stored.columns === x.shape[1])
    throw new UnsupportedError(`${model.metadata.file}: nested bits in`, 'this command', [
      'load',
      'the original model',
    ]);
  const low = model.optional(`${name}.low`, y.shape[1], x.shape[1]);
  return low ? add(y, linear(x, low, undefined, `${name}.low`), `${name}.refined`) : y;
}

/** @param product with the matrix and a bias */
function scaledProduct(
  product: (bias?: Value) => Value,
  bias: Value | undefined,
  factor: Value,
  scaled: NonNullable<Projection['scaled']>,
  name: string,
): Value {
  const label = `${name}.scale`;
  if (!bias || scaled === 'after bias') return gain(product(bias), factor, label);
  return gain(product(), factor, label, { bias });
}
