import { crossEntropyGradient } from '../ops/crossEntropyGradient.ts';
import type { GradientRule } from './rule.ts';

export const crossEntropy: GradientRule = ({ inputs: [logits, targets], label }, dy) => [
  () => crossEntropyGradient(logits, targets, dy, `${label}.dx`),
  undefined,
];
