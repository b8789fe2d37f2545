import type { SoftcapAttributes } from '../ops/softcap.ts';
import { softcapGradient } from '../ops/softcapGradient.ts';
import type { GradientRule } from './rule.ts';

export const softcap: GradientRule<SoftcapAttributes> = ({ inputs: [x], attributes: { cap }, label }, dy) => [
  () => softcapGradient(x, dy, cap, `${label}.dx`),
];
