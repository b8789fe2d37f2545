/** Matrix product with a weight stored as [outputs, inputs]: y = x·Wᵀ (+ bias). x [T, I], W [O, I], bias [1, O] → [T, O]. */
import { GraphError, isWeight, type Op, rowsOf, type Value, type WeightAttributes } from '../graph.ts';
import { weightBytes } from './weight.ts';

export const linearOp: Op<null> = {
  name: 'linear',
  shape(inputs) {
    const [x, matrix, bias] = inputs;
    if (!isWeight(matrix)) throw new GraphError('linear', 'the matrix is not a weight', inputs);
    if (x.shape[1] !== matrix.shape[1])
      throw new GraphError('linear', 'the width of x is not the width of the matrix', inputs);
    const outputs = Number(matrix.shape[0]);
    if (bias && bias.shape[1] !== outputs)
      throw new GraphError('linear', 'the bias does not have one number per row of the matrix', inputs);
    return [x.shape[0], outputs];
  },
  product: ([x, matrix]) => ({ weight: matrix as Value<WeightAttributes>, x }),
  cost([x, matrix], _, shape, registers) {
    return { flops: 2 * rowsOf(shape, registers) * shape[1] * x.shape[1], bytes: weightBytes(matrix) };
  },
};

export function linear(x: Value, matrix: Value, bias?: Value, label = 'linear'): Value {
  return x.graph.add(linearOp, bias ? [x, matrix, bias] : [x, matrix], null, label);
}
