/** Gradient of `linear` with respect to its matrix: dW = dyᵀ·x. dy [T, O], x [T, I] → [O, I]. */
import { GraphError, type Op, rowsOf, type Value } from '../graph.ts';

export const linearWeightGradientOp: Op<null> = {
  name: 'linearWeightGradient',
  shape(inputs) {
    const [dy, x] = inputs;
    if (dy.shape[0] !== x.shape[0]) throw new GraphError('linearWeightGradient', 'the numbers of rows differ', inputs);
    return [dy.shape[1], x.shape[1]];
  },
  cost([dy, x], _, __, registers) {
    return { flops: 2 * rowsOf(dy.shape, registers) * dy.shape[1] * x.shape[1], bytes: 0 };
  },
};

export function linearWeightGradient(dy: Value, x: Value, label = 'linearWeightGradient'): Value {
  return dy.graph.add(linearWeightGradientOp, [dy, x], null, label);
}
