/** Sum of the squares of all elements of several values, [1, 1]: the square of a gradient's global norm. */
import { elementwiseCost, type Op, type Value } from '../graph.ts';

export const squareSumOp: Op<null> = {
  name: 'squareSum',
  shape: () => [1, 1],
  cost(inputs, _, __, registers) {
    const flops = inputs.map((input) => elementwiseCost(2, input.shape, registers).flops);
    return { flops: flops.reduce((a, b) => a + b, 0), bytes: 0 };
  },
};

/** @param values at least one */
export function squareSum(values: readonly Value[], label = 'squareSum'): Value {
  return values[0].graph.add(squareSumOp, values, null, label);
}
