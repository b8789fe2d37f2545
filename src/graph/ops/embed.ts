/** Embedding lookup: y[t] = table[ids[t]]. table [V, D], ids [T, 1] → [T, D]. */
import { GraphError, isWeight, type Op, rowsOf, type Value } from '../graph.ts';
import { weightBytes } from './weight.ts';

export const embedOp: Op<null> = {
  name: 'embed',
  shape(inputs) {
    const [table, ids] = inputs;
    if (!isWeight(table)) throw new GraphError('embed', 'the table is not a weight', inputs);
    return [ids.shape[0], table.shape[1]];
  },
  cost([table], _, shape, registers) {
    return { flops: 0, bytes: (weightBytes(table) / Number(table.shape[0])) * rowsOf(shape, registers) };
  },
};

export function embed(table: Value, ids: Value, label = 'embed'): Value {
  return table.graph.add(embedOp, [table, ids], null, label);
}
