/** The gradient of columns: x in columns from … from + its width − 1, zeros in the others. [T, D] → [T, width]. */
import { GraphError, type Op, type Value } from '../graph.ts';

export interface SpreadColumnsAttributes {
  readonly from: number;
  /** Columns of the whole. */
  readonly width: number;
}

export const spreadColumnsOp: Op<SpreadColumnsAttributes> = {
  name: 'spreadColumns',
  shape(inputs, { from, width }) {
    const [x] = inputs;
    if (from < 0 || from + x!.shape[1] > width)
      throw new GraphError('spreadColumns', `from ${from} they do not fit into ${width} columns`, inputs);
    return [x!.shape[0], width];
  },
  cost: () => ({ flops: 0, bytes: 0 }),
};

export function spreadColumns(x: Value, from: number, width: number, label = 'spreadColumns'): Value {
  return x.graph.add(spreadColumnsOp, [x], { from, width }, label);
}
