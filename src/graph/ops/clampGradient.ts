/** The gradient of clamp with respect to its input: dy where least < x < limit, else 0. */
import { elementwiseCost, type Op, sameShape, type Value } from '../graph.ts';
import type { ClampAttributes } from './clamp.ts';

export const clampGradientOp: Op<ClampAttributes> = {
  name: 'clampGradient',
  shape: (inputs) => sameShape('clampGradient', inputs),
  cost: (_, __, shape, registers) => elementwiseCost(2, shape, registers),
};

export function clampGradient(x: Value, dy: Value, limit: number, label = 'clampGradient', least = -limit): Value {
  return x.graph.add(clampGradientOp, [x, dy], { limit, least }, label);
}
