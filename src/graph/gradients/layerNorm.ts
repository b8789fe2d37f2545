import type { LayerNormAttributes } from '../ops/layerNorm.ts';
import { layerNormGainGradient } from '../ops/layerNormGainGradient.ts';
import { layerNormInputGradient } from '../ops/layerNormInputGradient.ts';
import { sumRows } from '../ops/sumRows.ts';
import type { GradientRule } from './rule.ts';

export const layerNorm: GradientRule<LayerNormAttributes> = (
  { inputs: [x, gain], attributes: { epsilon }, label },
  dy,
) => [
  () => layerNormInputGradient(x!, gain!, dy, epsilon, `${label}.dx`),
  () => layerNormGainGradient(x!, dy, epsilon, `${label}.dgain`),
  () => sumRows(dy, `${label}.dbias`),
];
