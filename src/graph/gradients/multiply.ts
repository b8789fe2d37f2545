import { multiply as product } from '../ops/multiply.ts';
import type { GradientRule } from './rule.ts';

export const multiply: GradientRule = ({ inputs: [a, b], label }, dy) => [
  () => product(dy, b, `${label}.da`),
  () => product(dy, a, `${label}.db`),
];
