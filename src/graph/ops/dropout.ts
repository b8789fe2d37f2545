/**
 * Dropout (Srivastava et al. 2014): sets each element to 0 with probability `rate` and divides the others by 1 − rate.
 * A hash of the step's seed, the node's salt, the row and the column decides. So the node can be recomputed, and its
 * gradient is dropout of dy with the same salt. A negative seed disables dropout (evaluation).
 * x [T, D], seed [1, 1] integer → [T, D].
 */
import { elementwiseCost, GraphError, type Op, type Value } from '../graph.ts';

export interface DropoutAttributes {
  /** 0 ≤ rate < 1. */
  readonly rate: number;
  /** Different for each dropout node of a graph, so that their masks are independent. */
  readonly salt: number;
}

export const dropoutOp: Op<DropoutAttributes> = {
  name: 'dropout',
  shape(inputs, { rate }) {
    const [x, seed] = inputs;
    if (seed.shape[0] !== 1 || seed.shape[1] !== 1) throw new GraphError('dropout', 'expected a seed [1, 1]', inputs);
    if (!(rate >= 0 && rate < 1)) throw new GraphError('dropout', `rate ${rate} is not in [0, 1)`, inputs);
    return x.shape;
  },
  cost: (_, __, shape, registers) => elementwiseCost(8, shape, registers),
};

export function dropout(x: Value, seed: Value, attributes: DropoutAttributes, label = 'dropout'): Value {
  return x.graph.add(dropoutOp, [x, seed], attributes, label);
}

/** Hash of a row. An element is dropped if its `elementBits`, unsigned, are below {@link dropoutThreshold}. */
export function rowBits(seed: number, salt: number, row: number): number {
  return mix(mix(mix(seed) ^ salt) ^ row);
}

export function elementBits(rowHash: number, column: number): number {
  return mix(rowHash ^ Math.imul(column + 1, 0x9e3779b9));
}

/** Number of the 2³² hash values that drop an element. */
export function dropoutThreshold(rate: number): number {
  return Math.min(0xffffffff, Math.round(rate * 2 ** 32));
}

/** 32-bit integer hash (Wellons 2018), the one of splitmix32. */
function mix(x: number): number {
  let z = Math.imul(x ^ (x >>> 16), 0x21f0aaad);
  z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
  return (z ^ (z >>> 15)) >>> 0;
}
