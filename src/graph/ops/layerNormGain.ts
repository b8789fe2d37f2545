/**
 * The gradient of layerNorm with respect to its gain: Σ dy · (x − mean) / sqrt(variance + epsilon) over rows.
 * x and dy [T, D] → [1, D].
 */
import { elementwiseCost, type Op, sameShape, type Value } from '../graph.ts';
import type { LayerNormAttributes } from './layerNorm.ts';

export const layerNormGainOp: Op<LayerNormAttributes> = {
  name: 'layerNormGain',
  shape: (inputs) => [1, sameShape('layerNormGain', inputs)[1]],
  cost: ([x], _, __, registers) => elementwiseCost(8, x!.shape, registers),
};

export function layerNormGain(x: Value, dy: Value, epsilon: number, label = 'layerNormGain'): Value {
  return x.graph.add(layerNormGainOp, [x, dy], { epsilon }, label);
}
