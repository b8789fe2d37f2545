/** Positions of this step's tokens, P + t mod S, [T, 1] integers. For learned position embeddings. */
import type { Graph, Op, Value } from '../graph.ts';

export const positionsOp: Op<null> = {
  name: 'positions',
  shape: () => ['T', 1],
  cost: () => ({ flops: 0, bytes: 0 }),
};

export function positions(graph: Graph): Value {
  return graph.add(positionsOp, [], null);
}
