/** The gradient of activation with respect to its input: f′(x) · dy, element by element. */
import { elementwiseCost, type Op, sameShape, type Value } from '../graph.ts';
import type { ActivationAttributes, ActivationKind } from './activation.ts';

export const activationInputOp: Op<ActivationAttributes> = {
  name: 'activationInput',
  shape: (inputs) => sameShape('activationInput', inputs),
  cost: (_, __, shape, registers) => elementwiseCost(12, shape, registers),
};

export function activationInput(x: Value, dy: Value, kind: ActivationKind, label = 'activationInput'): Value {
  return x.graph.add(activationInputOp, [x, dy], { kind }, label);
}
