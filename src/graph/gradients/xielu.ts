import type { XieluAttributes } from '../ops/xielu.ts';
import { xieluGradient } from '../ops/xieluGradient.ts';
import type { GradientRule } from './rule.ts';

export const xielu: GradientRule<XieluAttributes> = ({ inputs: [x], attributes, label }, dy) => [
  () => xieluGradient(x, dy, attributes, `${label}.dx`),
];
