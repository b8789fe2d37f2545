/** A tensor of the checkpoint, [rows, columns]; a vector is one row. The backend reads its bytes when it compiles the graph. */
import { type BlockFormat, bytesOf } from '../../tensor/blockFormat.ts';
import type { Graph, Op, Shape, Value, WeightAttributes } from '../graph.ts';

interface Attributes extends WeightAttributes {
  readonly rows: number;
  readonly columns: number;
}

export const weightOp: Op<Attributes> = {
  name: 'weight',
  shape: (_, { rows, columns }): Shape => [rows, columns],
  // counted by the ops that use it: an embedding reads few rows
  cost: () => ({ flops: 0, bytes: 0 }),
};

export function weight(
  graph: Graph,
  tensor: string,
  format: BlockFormat,
  rows: number,
  columns: number,
): Value<WeightAttributes> {
  return graph.add(weightOp, [], { tensor, format, rows, columns }, tensor);
}

/** Size of a weight in its file format, in bytes. */
export function weightBytes(value: Value): number {
  const { format, rows, columns } = value.attributes as Attributes;
  return bytesOf(format, rows * columns);
}
