/** y = x · factor, with a constant factor. */
import { elementwiseCost, type Op, type Value } from '../graph.ts';

export interface ScaleAttributes {
  readonly factor: number;
}

export const scaleOp: Op<ScaleAttributes> = {
  name: 'scale',
  shape: ([x]) => x.shape,
  cost: (_, __, shape, registers) => elementwiseCost(1, shape, registers),
};

export function scale(x: Value, factor: number, label = 'scale'): Value {
  return x.graph.add(scaleOp, [x], { factor }, label);
}
