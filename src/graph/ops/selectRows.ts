/** Selects the rows of the step's outputs: y[r] = x[rows[r]], so that the output head runs only for sampled tokens. [T, D] → [R, D]. */
import { GraphError, type Op, type Value } from '../graph.ts';

export const selectRowsOp: Op<null> = {
  name: 'selectRows',
  shape(inputs) {
    const [x] = inputs;
    if (x.shape[0] !== 'T') throw new GraphError('selectRows', 'the input does not have one row per token', inputs);
    return ['R', x.shape[1]];
  },
  cost: () => ({ flops: 0, bytes: 0 }),
};

export function selectRows(x: Value, label = 'selectRows'): Value {
  return x.graph.add(selectRowsOp, [x], null, label);
}
