import type { LayerNormAttributes } from '../ops/layerNorm.ts';
import { layerNormGainGradient } from '../ops/layerNormGainGradient.ts';
import { layerNormInputGradient } from '../ops/layerNormInputGradient.ts';
import { sumRows } from '../ops/sumRows.ts';
import type { GradientRule } from './rule.ts';

export const layerNorm: GradientRule<LayerNormAttributes> = (
  { inputs: [x, gain], attributes: { epsilon }, label },
  dy,
) => [
  () => layerNormInputGradient(x, gain, dy, epsilon, `${label}.dx`),
  // the gains of norms of heads are not trained yet
  gain.shape[1] === x.shape[1] ? () => layerNormGainGradient(x, dy, epsilon, `${label}.dgain`) : undefined,
  gain.shape[1] === x.shape[1] ? () => sumRows(dy, `${label}.dbias`) : undefined,
];
