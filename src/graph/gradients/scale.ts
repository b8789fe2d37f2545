import { type ScaleAttributes, scale as scaled } from '../ops/scale.ts';
import type { GradientRule } from './rule.ts';

export const scale: GradientRule<ScaleAttributes> = ({ attributes: { factor }, label }, dy) => [
  () => scaled(dy, factor, `${label}.dx`),
];
