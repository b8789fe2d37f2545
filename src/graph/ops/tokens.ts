/** Token ids of this step, [T, 1] integers. */
import type { Graph, Op, Value } from '../graph.ts';

export const tokensOp: Op<null> = {
  name: 'tokens',
  shape: () => ['T', 1],
  cost: () => ({ flops: 0, bytes: 0 }),
};

export function isTokens({ op }: Value): boolean {
  return op.name === tokensOp.name;
}

export function tokens(graph: Graph): Value {
  return graph.add(tokensOp, [], null);
}
