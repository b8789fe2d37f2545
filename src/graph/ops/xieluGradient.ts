/** The gradient of xielu with respect to its input, times dy, element by element. */
import { elementwiseCost, type Op, sameShape, type Value } from '../graph.ts';
import type { XieluAttributes } from './xielu.ts';

export const xieluGradientOp: Op<XieluAttributes> = {
  name: 'xieluGradient',
  shape: (inputs) => sameShape('xieluGradient', inputs),
  cost: (_, __, shape, registers) => elementwiseCost(12, shape, registers),
};

export function xieluGradient(x: Value, dy: Value, attributes: XieluAttributes, label = 'xieluGradient'): Value {
  return x.graph.add(xieluGradientOp, [x, dy], attributes, label);
}
