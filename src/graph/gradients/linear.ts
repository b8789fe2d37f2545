import { linearInputGradient } from '../ops/linearInputGradient.ts';
import { linearWeightGradient } from '../ops/linearWeightGradient.ts';
import { sumRows } from '../ops/sumRows.ts';
import type { GradientRule } from './rule.ts';

export const linear: GradientRule = ({ inputs: [x, matrix], label }, dy) => [
  () => linearInputGradient(dy, matrix, `${label}.dx`),
  () => linearWeightGradient(dy, x, `${label}.dw`),
  () => sumRows(dy, `${label}.db`),
];
