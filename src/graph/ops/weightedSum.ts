/**
 * Weighted sum of row losses: y = Σ weights[r] · x[r]. With weights of 1 / (number of counted rows in the batch), the sum
 * over all steps of a batch is its mean loss. x and weights [R, 1] → [1, 1].
 */
import { elementwiseCost, GraphError, type Op, sameShape, type Value } from '../graph.ts';

export const weightedSumOp: Op<null> = {
  name: 'weightedSum',
  shape(inputs) {
    if (sameShape('weightedSum', inputs)[1] !== 1) throw new GraphError('weightedSum', 'expected one column', inputs);
    return [1, 1];
  },
  cost: ([x], _, __, registers) => elementwiseCost(2, x.shape, registers),
};

export function weightedSum(x: Value, weights: Value, label = 'weightedSum'): Value {
  return x.graph.add(weightedSumOp, [x, weights], null, label);
}
