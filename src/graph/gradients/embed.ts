import { embedWeight } from '../ops/embedWeight.ts';
import type { GradientRule } from './rule.ts';

export const embed: GradientRule = ({ inputs: [table, ids], label }, dy) => [
  () => embedWeight(dy, ids!, Number(table!.shape[0]), `${label}.dw`),
  undefined,
];
