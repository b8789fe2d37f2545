/**
 * Matrix products of each token with the matrices of its chosen experts: y_i = x_i·W_eᵀ (+ bias_e), where e is the token's i-th
 * expert. All experts' matrices are stacked: W [E·O, I], bias [E, O]. Routes [T, 2k] are those of `route`. Instead of a bias
 * there may be a factor of each expert's products, [1, E].
 * x [T, I], the same for all experts, or [T, k·I] → [T, k·O].
 */
import { GraphError, isWeight, type Op, rowsOf, type Value, type WeightAttributes } from '../graph.ts';
import { weightBytes } from './weight.ts';

export interface ExpertLinearAttributes {
  readonly experts: number;
  /** Meaning of the last input, after x, routes and matrix. */
  readonly extra?: 'bias' | 'factors';
}

export const expertLinearOp: Op<ExpertLinearAttributes> = {
  name: 'expertLinear',
  shape(inputs, { experts, extra }) {
    const [x, routes, matrix, last] = inputs;
    if (!isWeight(matrix)) throw new GraphError('expertLinear', 'the matrix is not a weight', inputs);
    const [used, outputs] = [routes.shape[1] / 2, Number(matrix.shape[0]) / experts];
    if (!Number.isInteger(used) || !Number.isInteger(outputs))
      throw new GraphError('expertLinear', `the rows are not those of ${experts} experts`, inputs);
    if (x.shape[1] !== matrix.shape[1] && x.shape[1] !== used * matrix.shape[1])
      throw new GraphError('expertLinear', 'the width of x is not the width of the matrix', inputs);
    const [rows, columns] = extra === 'bias' ? [experts, outputs] : [1, experts];
    if (extra && (last.shape[0] !== rows || last.shape[1] !== columns))
      throw new GraphError('expertLinear', `the ${extra} are not [${rows}, ${columns}]`, inputs);
    return [x.shape[0], used * outputs];
  },
  product: ([x, routes, matrix], { experts }) => ({
    weight: matrix as Value<WeightAttributes>,
    x,
    experts: { count: experts, routes },
  }),
  cost([, routes, matrix], { experts }, shape, registers) {
    const rows = rowsOf(shape, registers);
    const chosen = Math.min(1, (rows * routes.shape[1]) / 2 / experts);
    return { flops: 2 * rows * shape[1] * matrix.shape[1], bytes: chosen * weightBytes(matrix) };
  },
};

export function expertLinear(
  x: Value,
  routes: Value,
  matrix: Value,
  experts: number,
  label = 'expertLinear',
  { bias, factors }: { readonly bias?: Value; readonly factors?: Value } = {},
): Value {
  const inputs = [x, routes, matrix];
  if (bias && factors) throw new GraphError('expertLinear', 'a bias and factors', [...inputs, bias, factors]);
  if (bias) return x.graph.add(expertLinearOp, [...inputs, bias], { experts, extra: 'bias' }, label);
  if (factors) return x.graph.add(expertLinearOp, [...inputs, factors], { experts, extra: 'factors' }, label);
  return x.graph.add(expertLinearOp, inputs, { experts }, label);
}
