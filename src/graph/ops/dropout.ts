/**
 * Dropout (Srivastava et al. 2014): an element becomes 0 with probability `rate`, the others are divided by 1 − rate.
 * Which do is a hash of the step's seed, the node's salt, row and column, so that the same node can be computed again and
 * its backward is dropout of dy with the same salt. A negative seed drops nothing (evaluation).
 * x [T, D], seed [1, 1] integer → [T, D].
 */
import { elementwiseCost, GraphError, type Op, type Value } from '../graph.ts';

export interface DropoutAttributes {
  /** 0 ≤ rate < 1. */
  readonly rate: number;
  /** Tells nodes of a graph apart. */
  readonly salt: number;
}

export const dropoutOp: Op<DropoutAttributes> = {
  name: 'dropout',
  shape(inputs, { rate }) {
    const [x, seed] = inputs;
    if (seed!.shape[0] !== 1 || seed!.shape[1] !== 1) throw new GraphError('dropout', 'a seed [1, 1] expected', inputs);
    if (!(rate >= 0 && rate < 1)) throw new GraphError('dropout', `rate ${rate} is not in [0, 1)`, inputs);
    return x!.shape;
  },
  cost: (_, __, shape, registers) => elementwiseCost(8, shape, registers),
};

export function dropout(x: Value, seed: Value, attributes: DropoutAttributes, label = 'dropout'): Value {
  return x.graph.add(dropoutOp, [x, seed], attributes, label);
}

/** The hash of a row; an element of it is dropped when `elementBits` of it, unsigned, is below {@link dropoutThreshold}. */
export function rowBits(seed: number, salt: number, row: number): number {
  return mix(mix(mix(seed) ^ salt) ^ row);
}

export function elementBits(ofRow: number, column: number): number {
  return mix(ofRow ^ Math.imul(column + 1, 0x9e3779b9));
}

/** Of 2³² values of the hash, those that drop. */
export function dropoutThreshold(rate: number): number {
  return Math.min(0xffffffff, Math.round(rate * 2 ** 32));
}

/** A mixer of 32 bits by Wellons (2018), as in splitmix32. */
function mix(x: number): number {
  let z = Math.imul(x ^ (x >>> 16), 0x21f0aaad);
  z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
  return (z ^ (z >>> 15)) >>> 0;
}
