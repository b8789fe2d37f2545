import { weightedSumInput } from '../ops/weightedSumInput.ts';
import type { GradientRule } from './rule.ts';

export const weightedSum: GradientRule = ({ inputs: [, weights], label }, dy) => [
  () => weightedSumInput(weights!, dy, `${label}.dx`),
  undefined,
];
