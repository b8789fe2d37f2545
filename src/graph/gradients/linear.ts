import { linearInput } from '../ops/linearInput.ts';
import { linearWeight } from '../ops/linearWeight.ts';
import { sumRows } from '../ops/sumRows.ts';
import type { GradientRule } from './rule.ts';

export const linear: GradientRule = ({ inputs: [x, matrix], label }, dy) => [
  () => linearInput(dy, matrix!, `${label}.dx`),
  () => linearWeight(dy, x!, `${label}.dw`),
  () => sumRows(dy, `${label}.db`),
];
