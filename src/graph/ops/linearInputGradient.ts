/** Gradient of `linear` with respect to its input: dx = dy·W. dy [T, O], W [O, I] in any format → [T, I]. */
import { GraphError, isWeight, type Op, rowsOf, type Value } from '../graph.ts';
import { weightBytes } from './weight.ts';

export const linearInputGradientOp: Op<null> = {
  name: 'linearInputGradient',
  shape(inputs) {
    const [dy, matrix] = inputs;
    if (!isWeight(matrix)) throw new GraphError('linearInputGradient', 'the matrix is not a weight', inputs);
    if (dy.shape[1] !== matrix.shape[0])
      throw new GraphError('linearInputGradient', 'the width of dy is not the number of rows of the matrix', inputs);
    return [dy.shape[0], matrix.shape[1]];
  },
  cost([dy, matrix], _, shape, registers) {
    return { flops: 2 * rowsOf(shape, registers) * shape[1] * dy.shape[1], bytes: weightBytes(matrix) };
  },
};

export function linearInputGradient(dy: Value, matrix: Value, label = 'linearInputGradient'): Value {
  return dy.graph.add(linearInputGradientOp, [dy, matrix], null, label);
}
