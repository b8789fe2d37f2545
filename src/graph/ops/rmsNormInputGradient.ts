/**
 * Gradient of `rmsNorm` with respect to its input, by groups of `size` columns. With r = 1 / sqrt(mean(x²) + epsilon)
 * and g = dy · gain: dx = r · (g − x · r² · mean(g · x)). x and dy [T, G·size], gain [1, size] → [T, G·size].
 */
import { elementwiseCost, GraphError, type Op, sameShape, type Value } from '../graph.ts';
import type { RmsNormAttributes } from './rmsNorm.ts';

export const rmsNormInputGradientOp: Op<RmsNormAttributes> = {
  name: 'rmsNormInputGradient',
  shape(inputs) {
    const [x, gain, dy] = inputs;
    if (x.shape[1] % gain.shape[1] !== 0)
      throw new GraphError('rmsNormInputGradient', 'the width is not a multiple of the width of the gain', inputs);
    return sameShape('rmsNormInputGradient', [x, dy]);
  },
  cost: (_, __, shape, registers) => elementwiseCost(9, shape, registers),
};

export function rmsNormInputGradient(
  x: Value,
  gain: Value,
  dy: Value,
  epsilon: number,
  label = 'rmsNormInputGradient',
): Value {
  return x.graph.add(rmsNormInputGradientOp, [x, gain, dy], { epsilon }, label);
}
