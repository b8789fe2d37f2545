/**
 * Slices of columns: y = x[:, from : from + width]. For models that store several projections in one matrix. Of `groups` equal
 * groups of columns, takes the same slice of each, e.g. the queries of heads that store [query, gate].
 */
import { GraphError, type Op, type Value } from '../graph.ts';

export interface ColumnsAttributes {
  /** First column, in each group. */
  readonly from: number;
  /** Columns of a group. */
  readonly width: number;
  readonly groups: number;
}

export const columnsOp: Op<ColumnsAttributes> = {
  name: 'columns',
  shape(inputs, { from, width, groups }) {
    const [x] = inputs;
    const size = x.shape[1] / groups;
    if (!Number.isInteger(size)) throw new GraphError('columns', `the columns are not ${groups} equal groups`, inputs);
    if (from < 0 || from + width > size)
      throw new GraphError('columns', `columns ${from} to ${from + width} are out of range`, inputs);
    return [x.shape[0], groups * width];
  },
  cost: () => ({ flops: 0, bytes: 0 }),
};

export function columns(x: Value, from: number, width: number, label = 'columns', groups = 1): Value {
  return x.graph.add(columnsOp, [x], { from, width, groups }, label);
}
