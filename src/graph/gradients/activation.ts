import type { ActivationAttributes } from '../ops/activation.ts';
import { activationInput } from '../ops/activationInput.ts';
import type { GradientRule } from './rule.ts';

export const activation: GradientRule<ActivationAttributes> = ({ inputs: [x], attributes: { kind }, label }, dy) => [
  () => activationInput(x!, dy, kind, `${label}.dx`),
];
