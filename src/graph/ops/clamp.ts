/** y = min(limit, max(−limit, x)), element by element. */
import { elementwiseCost, type Op, type Value } from '../graph.ts';

export interface ClampAttributes {
  readonly limit: number;
}

export const clampOp: Op<ClampAttributes> = {
  name: 'clamp',
  shape: ([x]) => x!.shape,
  cost: (_, __, shape, registers) => elementwiseCost(2, shape, registers),
};

export function clamp(x: Value, limit: number, label = 'clamp'): Value {
  return x.graph.add(clampOp, [x], { limit }, label);
}
