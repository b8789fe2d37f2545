/** The gradient of columns: x in columns from … from + its width − 1, zeros in the others. [T, D] → [T, width]. */
import { GraphError, type Op, type Value } from '../graph.ts';

export interface ScatterColumnsAttributes {
  readonly from: number;
  /** Columns of the whole. */
  readonly width: number;
}

export const scatterColumnsOp: Op<ScatterColumnsAttributes> = {
  name: 'scatterColumns',
  shape(inputs, { from, width }) {
    const [x] = inputs;
    if (from < 0 || from + x!.shape[1] > width)
      throw new GraphError('scatterColumns', `from ${from} they do not fit into ${width} columns`, inputs);
    return [x!.shape[0], width];
  },
  cost: () => ({ flops: 0, bytes: 0 }),
};

export function scatterColumns(x: Value, from: number, width: number, label = 'scatterColumns'): Value {
  return x.graph.add(scatterColumnsOp, [x], { from, width }, label);
}
