/**
 * Elementwise activation y = f(x). 'silu': x·sigmoid(x). 'gelu': x/2·(1 + tanh(√(2/π)(x + 0.044715x³))), the tanh
 * approximation (Hendrycks, Gimpel 2016) that GPT-2 and Gemma use.
 */
import { elementwiseCost, type Op, type Value } from '../graph.ts';

export type ActivationKind = 'silu' | 'gelu';

export interface ActivationAttributes {
  readonly kind: ActivationKind;
}

export const activationOp: Op<ActivationAttributes> = {
  name: 'activation',
  shape: ([x]) => x!.shape,
  cost: (_, __, shape, registers) => elementwiseCost(8, shape, registers),
};

export function activation(x: Value, kind: ActivationKind, label: string = kind): Value {
  return x.graph.add(activationOp, [x], { kind }, label);
}
