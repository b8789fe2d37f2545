/**
 * Gradient of `layerNorm` with respect to its input. With r = 1 / sqrt(variance + epsilon), n = (x − mean) · r and
 * g = dy · gain: dx = r · (g − mean(g) − n · mean(g · n)). x and dy [T, G·size], gain [1, size] → [T, G·size].
 */
import { elementwiseCost, GraphError, type Op, sameShape, type Value } from '../graph.ts';
import type { LayerNormAttributes } from './layerNorm.ts';

export const layerNormInputGradientOp: Op<LayerNormAttributes> = {
  name: 'layerNormInputGradient',
  shape(inputs) {
    const [x, gain, dy] = inputs;
    if (x.shape[1] % gain.shape[1] !== 0)
      throw new GraphError('layerNormInputGradient', 'the widths of x and gain differ', inputs);
    return sameShape('layerNormInputGradient', [x, dy]);
  },
  cost: (_, __, shape, registers) => elementwiseCost(13, shape, registers),
};

export function layerNormInputGradient(
  x: Value,
  gain: Value,
  dy: Value,
  epsilon: number,
  label = 'layerNormInputGradient',
): Value {
  return x.graph.add(layerNormInputGradientOp, [x, gain, dy], { epsilon }, label);
}
