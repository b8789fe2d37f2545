/**
 * Gradient of `embed` with respect to its table: adds each row of dy to the row of its id, in order. Other rows are zeros.
 * dy [T, D], ids [T, 1] integers → [rows, D].
 */
import { elementwiseCost, GraphError, type Op, type Value } from '../graph.ts';

export interface EmbedWeightGradientAttributes {
  /** Number of rows of the table. */
  readonly rows: number;
}

export const embedWeightGradientOp: Op<EmbedWeightGradientAttributes> = {
  name: 'embedWeightGradient',
  shape(inputs, { rows }) {
    const [dy, ids] = inputs;
    if (ids.shape[0] !== dy.shape[0] || ids.shape[1] !== 1)
      throw new GraphError('embedWeightGradient', 'expected one id per row', inputs);
    return [rows, dy.shape[1]];
  },
  cost: ([dy], _, __, registers) => elementwiseCost(1, dy.shape, registers),
};

export function embedWeightGradient(dy: Value, ids: Value, rows: number, label = 'embedWeightGradient'): Value {
  return dy.graph.add(embedWeightGradientOp, [dy, ids], { rows }, label);
}
