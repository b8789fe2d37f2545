import type { SoftcapAttributes } from '../ops/softcap.ts';
import { softcapInput } from '../ops/softcapInput.ts';
import type { GradientRule } from './rule.ts';

export const softcap: GradientRule<SoftcapAttributes> = ({ inputs: [x], attributes: { cap }, label }, dy) => [
  () => softcapInput(x!, dy, cap, `${label}.dx`),
];
