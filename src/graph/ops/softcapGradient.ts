/** Gradient of `softcap` with respect to its input: (1 − tanh²(x / cap)) · dy. */
import { elementwiseCost, type Op, sameShape, type Value } from '../graph.ts';
import type { SoftcapAttributes } from './softcap.ts';

export const softcapGradientOp: Op<SoftcapAttributes> = {
  name: 'softcapGradient',
  shape: (inputs) => sameShape('softcapGradient', inputs),
  cost: (_, __, shape, registers) => elementwiseCost(10, shape, registers),
};

export function softcapGradient(x: Value, dy: Value, cap: number, label = 'softcapGradient'): Value {
  return x.graph.add(softcapGradientOp, [x, dy], { cap }, label);
}
