import { type PositionScaleAttributes, positionScale as scaled } from '../ops/positionScale.ts';
import type { GradientRule } from './rule.ts';

export const positionScale: GradientRule<PositionScaleAttributes> = ({ attributes, label }, dy) => [
  () => scaled(dy, attributes, `${label}.dx`),
];
