/** Gradient of `activation` with respect to its input: f′(x) · dy, elementwise. */
import { elementwiseCost, type Op, sameShape, type Value } from '../graph.ts';
import type { ActivationAttributes, ActivationKind } from './activation.ts';

export const activationGradientOp: Op<ActivationAttributes> = {
  name: 'activationGradient',
  shape: (inputs) => sameShape('activationGradient', inputs),
  cost: (_, __, shape, registers) => elementwiseCost(12, shape, registers),
};

export function activationGradient(x: Value, dy: Value, kind: ActivationKind, label = 'activationGradient'): Value {
  return x.graph.add(activationGradientOp, [x, dy], { kind }, label);
}
