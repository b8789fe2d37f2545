/** A constant number, [1, 1]. The backward pass starts from the constant 1, the gradient of the loss. */
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
