import { embedWeightGradient } from '../ops/embedWeightGradient.ts';
import type { GradientRule } from './rule.ts';

export const embed: GradientRule = ({ inputs: [table, ids], label }, dy) => [
  () => embedWeightGradient(dy, ids, Number(table.shape[0]), `${label}.dw`),
  undefined,
];
