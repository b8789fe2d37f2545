/**
 * Adds a gradient to a state, to accumulate over the steps of a batch: state ← state + gradient. The node's value is the
 * updated state, so further gradients can be added to it.
 */
import { elementwiseCost, GraphError, type Op, sameShape, type Value } from '../graph.ts';
import { isState, type StateAttributes } from './state.ts';

export const accumulateOp: Op<null> = {
  name: 'accumulate',
  hasEffects: true,
  shape(inputs) {
    if (!accumulatedState(inputs[0])) throw new GraphError('accumulate', 'the sum is not a state', inputs);
    return sameShape('accumulate', inputs);
  },
  cost: (_, __, shape, registers) => elementwiseCost(1, shape, registers),
};

export function accumulate(sum: Value, gradient: Value, label = 'accumulate'): Value {
  return sum.graph.add(accumulateOp, [sum, gradient], null, label);
}

/** Returns the state that an `accumulate` node updates; undefined for other nodes. */
export function accumulatedState(value: Value): Value<StateAttributes> | undefined {
  let sum = value;
  while (sum.op.name === accumulateOp.name) sum = sum.inputs[0];
  return isState(sum) ? sum : undefined;
}
