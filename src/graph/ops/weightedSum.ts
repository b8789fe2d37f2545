/**
 * Rows' losses as one: y = Σ weights[r] · x[r]. A mean over a batch, of however many steps, is a sum with weights of
 * 1 / (rows of the batch that count). x and weights [R, 1] → [1, 1].
 */
import { elementwiseCost, GraphError, type Op, sameShape, type Value } from '../graph.ts';

export const weightedSumOp: Op<null> = {
  name: 'weightedSum',
  shape(inputs) {
    if (sameShape('weightedSum', inputs)[1] !== 1) throw new GraphError('weightedSum', 'one column expected', inputs);
    return [1, 1];
  },
  cost: ([x], _, __, registers) => elementwiseCost(2, x!.shape, registers),
};

export function weightedSum(x: Value, weights: Value, label = 'weightedSum'): Value {
  return x.graph.add(weightedSumOp, [x, weights], null, label);
}
