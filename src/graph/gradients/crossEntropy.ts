import { crossEntropyInput } from '../ops/crossEntropyInput.ts';
import type { GradientRule } from './rule.ts';

export const crossEntropy: GradientRule = ({ inputs: [logits, targets], label }, dy) => [
  () => crossEntropyInput(logits!, targets!, dy, `${label}.dx`),
  undefined,
];
