/**
 * Numbers that a program keeps between steps and that its steps change: accumulated gradients, optimizer moments.
 * [rows, columns], initially zeros. Like weights, states are read and written from outside by name.
 */
import type { Graph, Op, Value } from '../graph.ts';

export interface StateAttributes {
  /** Unique among the states and weights of the graph, e.g. 'adam.m/blk.0.attn_q.weight'. */
  readonly name: string;
  readonly rows: number;
  readonly columns: number;
}

export const stateOp: Op<StateAttributes> = {
  name: 'state',
  shape: (_, { rows, columns }) => [rows, columns],
  cost: () => ({ flops: 0, bytes: 0 }),
};

export function state(graph: Graph, name: string, rows: number, columns: number): Value {
  return graph.add(stateOp, [], { name, rows, columns }, name);
}

export function isState(value: Value): value is Value<StateAttributes> {
  return value.op.name === 'state';
}
