/** y = a + b, elementwise. */
import { elementwiseCost, type Op, sameShape, type Value } from '../graph.ts';

export const addOp: Op<null> = {
  name: 'add',
  shape: (inputs) => sameShape('add', inputs),
  cost: (_, __, shape, registers) => elementwiseCost(1, shape, registers),
};

export function add(a: Value, b: Value, label = 'add'): Value {
  return a.graph.add(addOp, [a, b], null, label);
}
