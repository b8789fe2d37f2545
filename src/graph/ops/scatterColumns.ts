/**
 * Gradient of `columns`: copies x to the columns from `from` on; the other columns are zeros. With `groups`, each group of x
 * goes to the same columns of its group. [T, G·D] → [T, width].
 */
import { GraphError, type Op, type Value } from '../graph.ts';

export interface ScatterColumnsAttributes {
  /** First column, in each group. */
  readonly from: number;
  /** Number of columns of the result. */
  readonly width: number;
  readonly groups: number;
}

export const scatterColumnsOp: Op<ScatterColumnsAttributes> = {
  name: 'scatterColumns',
  shape(inputs, { from, width, groups }) {
    const [x] = inputs;
    if (from < 0 || from + x.shape[1] / groups > width / groups)
      throw new GraphError('scatterColumns', `the columns do not fit into ${width} columns from ${from} on`, inputs);
    if (width % groups !== 0 || x.shape[1] % groups !== 0)
      throw new GraphError('scatterColumns', `the columns are not ${groups} equal groups`, inputs);
    return [x.shape[0], width];
  },
  cost: () => ({ flops: 0, bytes: 0 }),
};

export function scatterColumns(x: Value, from: number, width: number, label = 'scatterColumns', groups = 1): Value {
  return x.graph.add(scatterColumnsOp, [x], { from, width, groups }, label);
}
