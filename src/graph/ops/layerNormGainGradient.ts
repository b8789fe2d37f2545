/**
 * Gradient of `layerNorm` with respect to its gain: Σ dy · (x − mean) / sqrt(variance + epsilon) over rows.
 * x and dy [T, D] → [1, D].
 */
import { elementwiseCost, type Op, sameShape, type Value } from '../graph.ts';
import type { LayerNormAttributes } from './layerNorm.ts';

export const layerNormGainGradientOp: Op<LayerNormAttributes> = {
  name: 'layerNormGainGradient',
  shape: (inputs) => [1, sameShape('layerNormGainGradient', inputs)[1]],
  cost: ([x], _, __, registers) => elementwiseCost(8, x.shape, registers),
};

export function layerNormGainGradient(x: Value, dy: Value, epsilon: number, label = 'layerNormGainGradient'): Value {
  return x.graph.add(layerNormGainGradientOp, [x, dy], { epsilon }, label);
}
