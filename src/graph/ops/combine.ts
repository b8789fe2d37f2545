/**
 * Weighted sum of the groups of a row: y = Σ_g factor_g · x_g. The factors of a row are `groups` columns of `factors` from
 * `from` on, as `route` returns them. x [T, groups·K], factors [T, …] → [T, K].
 */
import { GraphError, type Op, rowsOf, type Value } from '../graph.ts';

export interface CombineAttributes {
  readonly groups: number;
  readonly from: number;
}

export const combineOp: Op<CombineAttributes> = {
  name: 'combine',
  shape(inputs, { groups, from }) {
    const [x, factors] = inputs;
    const width = x.shape[1] / groups;
    if (!Number.isInteger(width)) throw new GraphError('combine', `a row is not ${groups} groups`, inputs);
    if (from + groups > factors.shape[1]) throw new GraphError('combine', `${groups} factors from ${from}`, inputs);
    return [x.shape[0], width];
  },
  cost: (_, { groups }, shape, registers) => ({ flops: 2 * groups * rowsOf(shape, registers) * shape[1], bytes: 0 }),
};

export function combine(x: Value, factors: Value, attributes: CombineAttributes, label = 'combine'): Value {
  return x.graph.add(combineOp, [x, factors], attributes, label);
}
