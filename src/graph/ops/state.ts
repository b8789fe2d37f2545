/**
 * Numbers that a program keeps from step to step and that its steps change: sums of gradients, an optimizer's moments.
 * [rows, columns], zeros at first. Read and written from outside by name, like a weight.
 */
import type { Graph, Op, Value } from '../graph.ts';

export interface StateAttributes {
  /** 'adam.m/blk.0.attn_q.weight'; no other state or weight of the graph has it. */
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
