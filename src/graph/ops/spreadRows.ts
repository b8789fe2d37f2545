/** The gradient of selectRows: y[rows[r]] = x[r], zeros in the rows that were not wanted. [R, D] → [T, D]. */
import { GraphError, type Op, type Value } from '../graph.ts';

export const spreadRowsOp: Op<null> = {
  name: 'spreadRows',
  shape(inputs) {
    const [x] = inputs;
    if (x!.shape[0] !== 'R') throw new GraphError('spreadRows', 'rows are not the wanted ones of a step', inputs);
    return ['T', x!.shape[1]];
  },
  cost: () => ({ flops: 0, bytes: 0 }),
};

export function spreadRows(x: Value, label = 'spreadRows'): Value {
  return x.graph.add(spreadRowsOp, [x], null, label);
}
