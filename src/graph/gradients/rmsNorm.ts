import type { RmsNormAttributes } from '../ops/rmsNorm.ts';
import { rmsNormGainGradient } from '../ops/rmsNormGainGradient.ts';
import { rmsNormInputGradient } from '../ops/rmsNormInputGradient.ts';
import type { GradientRule } from './rule.ts';

export const rmsNorm: GradientRule<RmsNormAttributes> = ({ inputs: [x, gain], attributes: { epsilon }, label }, dy) => [
  () => rmsNormInputGradient(x, gain, dy, epsilon, `${label}.dx`),
  () => rmsNormGainGradient(x, dy, { epsilon, size: gain.shape[1] }, `${label}.dgain`),
];
