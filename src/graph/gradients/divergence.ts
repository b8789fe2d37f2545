import type { DivergenceAttributes } from '../ops/divergence.ts';
import { divergenceInput } from '../ops/divergenceInput.ts';
import type { GradientRule } from './rule.ts';

export const divergence: GradientRule<DivergenceAttributes> = (
  { inputs: [logits, teacher], attributes, label },
  dy,
) => [() => divergenceInput(logits!, teacher!, dy, attributes, `${label}.dx`), undefined];
