/**
 * Every row times the same weights: y = x ∘ w, with w [H, K] read in row order, or [1, 1] for all columns; with `inverse`
 * y = x / w. A bias [1, H·K] may be added. x [T, H·K] → [T, H·K].
 */
import { elementwiseCost, GraphError, type Op, type Value } from '../graph.ts';

export interface GainAttributes {
  readonly inverse: boolean;
}

export const gainOp: Op<GainAttributes> = {
  name: 'gain',
  shape(inputs) {
    const [x, weights, bias] = inputs;
    const elements = Number(weights.shape[0]) * weights.shape[1];
    if (elements !== x.shape[1] && elements !== 1)
      throw new GraphError('gain', `${elements} weights for a row`, inputs);
    if (bias && bias.shape[1] !== x.shape[1]) throw new GraphError('gain', 'the bias has another width', inputs);
    return x.shape;
  },
  cost: (_, __, shape, registers) => elementwiseCost(1, shape, registers),
};

export interface GainOptions {
  readonly inverse?: boolean;
  readonly bias?: Value;
}

export function gain(x: Value, weights: Value, label = 'gain', { inverse = false, bias }: GainOptions = {}): Value {
  return x.graph.add(gainOp, bias ? [x, weights, bias] : [x, weights], { inverse }, label);
}
