/**
 * Root-mean-square normalization (Zhang, Sennrich 2019) of groups of `size` columns: y = x / sqrt(mean(x²) + epsilon) · gain.
 * x [T, G·size], gain [1, size] → [T, G·size]. G is 1 for norms of the hidden state and H for norms of queries and keys.
 */
import { elementwiseCost, GraphError, type Op, type Value } from '../graph.ts';

export interface RmsNormAttributes {
  readonly epsilon: number;
}

export const rmsNormOp: Op<RmsNormAttributes> = {
  name: 'rmsNorm',
  shape(inputs) {
    const [x, gain] = inputs;
    if (x.shape[1] % gain.shape[1] !== 0)
      throw new GraphError('rmsNorm', 'the width is not a multiple of the width of the gain', inputs);
    return x.shape;
  },
  cost: (_, __, shape, registers) => elementwiseCost(4, shape, registers),
};

export function rmsNorm(x: Value, gain: Value, epsilon: number, label = 'rmsNorm'): Value {
  return x.graph.add(rmsNormOp, [x, gain], { epsilon }, label);
}
