/** y = min(limit, max(least, x)), element by element. */
import { elementwiseCost, type Op, type Value } from '../graph.ts';

export interface ClampAttributes {
  readonly limit: number;
  readonly least: number;
}

export const clampOp: Op<ClampAttributes> = {
  name: 'clamp',
  shape: ([x]) => x.shape,
  cost: (_, __, shape, registers) => elementwiseCost(2, shape, registers),
};

/** @param least default: −limit */
export function clamp(x: Value, limit: number, label = 'clamp', least = -limit): Value {
  return x.graph.add(clampOp, [x], { limit, least }, label);
}
