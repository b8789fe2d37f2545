import { type GainAttributes, gain as scaled } from '../ops/gain.ts';
import { multiply } from '../ops/multiply.ts';
import { sumRows } from '../ops/sumRows.ts';
import type { GradientRule } from './rule.ts';

export const gain: GradientRule<GainAttributes> = ({ inputs: [x, weights], attributes: { inverse }, label }, dy) => [
  () => scaled(dy, weights, `${label}.dx`, { inverse }),
  // a sum over rows is a single row
  weights.shape[0] === 1 && weights.shape[1] === x.shape[1] && !inverse
    ? () => sumRows(multiply(dy, x, `${label}.products`), `${label}.dgain`)
    : undefined,
  () => sumRows(dy, `${label}.dbias`),
];
