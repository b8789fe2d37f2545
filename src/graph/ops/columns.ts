/** A slice of columns: y = x[:, from : from + width]. For models that store several projections in one matrix. */
import { GraphError, type Op, type Value } from '../graph.ts';

export interface ColumnsAttributes {
  readonly from: number;
  readonly width: number;
}

export const columnsOp: Op<ColumnsAttributes> = {
  name: 'columns',
  shape(inputs, { from, width }) {
    const [x] = inputs;
    if (from < 0 || from + width > x!.shape[1])
      throw new GraphError('columns', `columns ${from} to ${from + width} are out of range`, inputs);
    return [x!.shape[0], width];
  },
  cost: () => ({ flops: 0, bytes: 0 }),
};

export function columns(x: Value, from: number, width: number, label = 'columns'): Value {
  return x.graph.add(columnsOp, [x], { from, width }, label);
}
