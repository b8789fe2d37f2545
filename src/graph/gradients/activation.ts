import type { ActivationAttributes } from '../ops/activation.ts';
import { activationGradient } from '../ops/activationGradient.ts';
import type { GradientRule } from './rule.ts';

export const activation: GradientRule<ActivationAttributes> = ({ inputs: [x], attributes: { kind }, label }, dy) => [
  () => activationGradient(x, dy, kind, `${label}.dx`),
];
