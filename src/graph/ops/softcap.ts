/** y = cap · tanh(x / cap): limits logits to ±cap (Gemma 2). */
import { elementwiseCost, type Op, type Value } from '../graph.ts';

export interface SoftcapAttributes {
  readonly cap: number;
}

export const softcapOp: Op<SoftcapAttributes> = {
  name: 'softcap',
  shape: ([x]) => x.shape,
  cost: (_, __, shape, registers) => elementwiseCost(8, shape, registers),
};

export function softcap(x: Value, cap: number, label = 'softcap'): Value {
  return x.graph.add(softcapOp, [x], { cap }, label);
}
