/** One number that never changes, [1, 1]: the gradient that a loss begins with. */
import type { Graph, Op, Value } from '../graph.ts';

export interface ConstantAttributes {
  readonly value: number;
}

export const constantOp: Op<ConstantAttributes> = {
  name: 'constant',
  shape: () => [1, 1],
  cost: () => ({ flops: 0, bytes: 0 }),
};

export function constant(graph: Graph, value: number): Value {
  return graph.add(constantOp, [], { value });
}
