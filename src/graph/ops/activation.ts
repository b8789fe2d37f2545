/**
 * Elementwise activation y = f(x). 'silu': x·sigmoid(x). 'gelu': x/2·(1 + tanh(√(2/π)(x + 0.044715x³))), the tanh
 * approximation that GPT-2 and Gemma use; 'geluErf': x/2·(1 + erf(x/√2)), the exact form (Hendrycks, Gimpel 2016);
 * 'quickGelu': x·sigmoid(1.702x). 'relu2': relu(x)² (So et al. 2021). 'softplus': log(1 + e^x).
 */
import { elementwiseCost, type Op, type Value } from '../graph.ts';

export type ActivationKind =
  | 'silu'
  | 'gelu'
  | 'geluErf'
  | 'quickGelu'
  | 'relu'
  | 'relu2'
  | 'sigmoid'
  | 'softplus'
  | 'tanh';

export interface ActivationAttributes {
  readonly kind: ActivationKind;
}

export const activationOp: Op<ActivationAttributes> = {
  name: 'activation',
  shape: ([x]) => x.shape,
  cost: (_, __, shape, registers) => elementwiseCost(8, shape, registers),
};

export function activation(x: Value, kind: ActivationKind, label: string = kind): Value {
  return x.graph.add(activationOp, [x], { kind }, label);
}
