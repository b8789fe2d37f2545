/** Adds a gradient to a state, for batches of several steps: state ← state + gradient. The value is the state afterwards. */
import { elementwiseCost, GraphError, type Op, sameShape, type Value } from '../graph.ts';
import { isState } from './state.ts';

export const accumulateOp: Op<null> = {
  name: 'accumulate',
  shape(inputs) {
    if (!isState(inputs[0]!)) throw new GraphError('accumulate', 'the sum is not a state', inputs);
    return sameShape('accumulate', inputs);
  },
  cost: (_, __, shape, registers) => elementwiseCost(1, shape, registers),
};

export function accumulate(sum: Value, gradient: Value, label = 'accumulate'): Value {
  return sum.graph.add(accumulateOp, [sum, gradient], null, label);
}
