import type { LayerNormAttributes } from '../ops/layerNorm.ts';
import { layerNormGain } from '../ops/layerNormGain.ts';
import { layerNormInput } from '../ops/layerNormInput.ts';
import { sumRows } from '../ops/sumRows.ts';
import type { GradientRule } from './rule.ts';

export const layerNorm: GradientRule<LayerNormAttributes> = (
  { inputs: [x, gain], attributes: { epsilon }, label },
  dy,
) => [
  () => layerNormInput(x!, gain!, dy, epsilon, `${label}.dx`),
  () => layerNormGain(x!, dy, epsilon, `${label}.dgain`),
  () => sumRows(dy, `${label}.dbias`),
];
