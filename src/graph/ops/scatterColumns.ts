/** Gradient of `columns`: copies x to the columns from `from` on; the other columns are zeros. [T, D] → [T, width]. */
import { GraphError, type Op, type Value } from '../graph.ts';

export interface ScatterColumnsAttributes {
  readonly from: number;
  /** Number of columns of the result. */
  readonly width: number;
}

export const scatterColumnsOp: Op<ScatterColumnsAttributes> = {
  name: 'scatterColumns',
  shape(inputs, { from, width }) {
    const [x] = inputs;
    if (from < 0 || from + x!.shape[1] > width)
      throw new GraphError('scatterColumns', `the columns do not fit into ${width} columns from ${from} on`, inputs);
    return [x!.shape[0], width];
  },
  cost: () => ({ flops: 0, bytes: 0 }),
};

export function scatterColumns(x: Value, from: number, width: number, label = 'scatterColumns'): Value {
  return x.graph.add(scatterColumnsOp, [x], { from, width }, label);
}
