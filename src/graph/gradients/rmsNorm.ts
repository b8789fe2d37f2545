import type { RmsNormAttributes } from '../ops/rmsNorm.ts';
import { rmsNormGain } from '../ops/rmsNormGain.ts';
import { rmsNormInput } from '../ops/rmsNormInput.ts';
import type { GradientRule } from './rule.ts';

export const rmsNorm: GradientRule<RmsNormAttributes> = ({ inputs: [x, gain], attributes: { epsilon }, label }, dy) => [
  () => rmsNormInput(x!, gain!, dy, epsilon, `${label}.dx`),
  () => rmsNormGain(x!, dy, { epsilon, size: gain!.shape[1] }, `${label}.dgain`),
];
