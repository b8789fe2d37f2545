import { weightedSumGradient } from '../ops/weightedSumGradient.ts';
import type { GradientRule } from './rule.ts';

export const weightedSum: GradientRule = ({ inputs: [, weights], label }, dy) => [
  () => weightedSumGradient(weights, dy, `${label}.dx`),
  undefined,
];
