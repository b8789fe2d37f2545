/** y = a · b, elementwise. */
import { elementwiseCost, type Op, sameShape, type Value } from '../graph.ts';

export const multiplyOp: Op<null> = {
  name: 'multiply',
  shape: (inputs) => sameShape('multiply', inputs),
  cost: (_, __, shape, registers) => elementwiseCost(1, shape, registers),
};

export function multiply(a: Value, b: Value, label = 'multiply'): Value {
  return a.graph.add(multiplyOp, [a, b], null, label);
}
