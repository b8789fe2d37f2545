import { type DropoutAttributes, dropout as dropped } from '../ops/dropout.ts';
import type { GradientRule } from './rule.ts';

export const dropout: GradientRule<DropoutAttributes> = ({ inputs: [, seed], attributes, label }, dy) => [
  () => dropped(dy, seed, attributes, `${label}.dx`),
  undefined,
];
