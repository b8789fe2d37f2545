/** Gradient of `weightedSum` with respect to its rows: weights[r] · dy. weights [R, 1], dy [1, 1] → [R, 1]. */
import { elementwiseCost, GraphError, type Op, type Value } from '../graph.ts';

export const weightedSumGradientOp: Op<null> = {
  name: 'weightedSumGradient',
  shape(inputs) {
    const [weights, dy] = inputs;
    if (weights.shape[1] !== 1 || dy.shape[0] !== 1 || dy.shape[1] !== 1)
      throw new GraphError('weightedSumGradient', 'expected one column and one number', inputs);
    return weights.shape;
  },
  cost: (_, __, shape, registers) => elementwiseCost(1, shape, registers),
};

export function weightedSumGradient(weights: Value, dy: Value, label = 'weightedSumGradient'): Value {
  return weights.graph.add(weightedSumGradientOp, [weights, dy], null, label);
}
