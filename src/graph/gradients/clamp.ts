import type { ClampAttributes } from '../ops/clamp.ts';
import { clampGradient } from '../ops/clampGradient.ts';
import type { GradientRule } from './rule.ts';

export const clamp: GradientRule<ClampAttributes> = ({ inputs: [x], attributes: { limit, least }, label }, dy) => [
  () => clampGradient(x, dy, limit, `${label}.dx`, least),
];
