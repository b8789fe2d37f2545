import type { KlDivergenceAttributes } from '../ops/klDivergence.ts';
import { klDivergenceGradient } from '../ops/klDivergenceGradient.ts';
import type { GradientRule } from './rule.ts';

export const klDivergence: GradientRule<KlDivergenceAttributes> = (
  { inputs: [logits, teacher], attributes, label },
  dy,
) => [() => klDivergenceGradient(logits, teacher, dy, attributes, `${label}.dx`), undefined];
