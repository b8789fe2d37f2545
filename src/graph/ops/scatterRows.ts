/** Gradient of `selectRows`: y[rows[r]] = x[r]; the other rows are zeros. [R, D] → [T, D]. */
import { GraphError, type Op, type Value } from '../graph.ts';

export const scatterRowsOp: Op<null> = {
  name: 'scatterRows',
  shape(inputs) {
    const [x] = inputs;
    if (x.shape[0] !== 'R')
      throw new GraphError('scatterRows', 'the input does not have one row per selected token', inputs);
    return ['T', x.shape[1]];
  },
  cost: () => ({ flops: 0, bytes: 0 }),
};

export function scatterRows(x: Value, label = 'scatterRows'): Value {
  return x.graph.add(scatterRowsOp, [x], null, label);
}
