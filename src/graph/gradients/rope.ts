import { type RopeAttributes, rope as turned } from '../ops/rope.ts';
import type { GradientRule } from './rule.ts';

export const rope: GradientRule<RopeAttributes> = ({ inputs: [, factors], attributes, label }, dy) => [
  () => turned(dy, { ...attributes, inverse: !attributes.inverse }, factors, `${label}.dx`),
  undefined,
];
