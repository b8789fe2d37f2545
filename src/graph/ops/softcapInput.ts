/** The gradient of softcap with respect to its input: (1 − tanh²(x / cap)) · dy. */
import { elementwiseCost, type Op, sameShape, type Value } from '../graph.ts';
import type { SoftcapAttributes } from './softcap.ts';

export const softcapInputOp: Op<SoftcapAttributes> = {
  name: 'softcapInput',
  shape: (inputs) => sameShape('softcapInput', inputs),
  cost: (_, __, shape, registers) => elementwiseCost(10, shape, registers),
};

export function softcapInput(x: Value, dy: Value, cap: number, label = 'softcapInput'): Value {
  return x.graph.add(softcapInputOp, [x, dy], { cap }, label);
}
