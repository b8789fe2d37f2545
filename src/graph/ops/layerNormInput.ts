/**
 * The gradient of layerNorm with respect to its input: with r = 1 / sqrt(variance + epsilon), n = (x − mean) · r and
 * g = dy · gain, dx = r · (g − mean(g) − n · mean(g · n)). x and dy [T, D], gain [1, D] → [T, D].
 */
import { elementwiseCost, GraphError, type Op, sameShape, type Value } from '../graph.ts';
import type { LayerNormAttributes } from './layerNorm.ts';

export const layerNormInputOp: Op<LayerNormAttributes> = {
  name: 'layerNormInput',
  shape(inputs) {
    const [x, gain, dy] = inputs;
    if (gain!.shape[1] !== x!.shape[1]) throw new GraphError('layerNormInput', 'widths differ', inputs);
    return sameShape('layerNormInput', [x!, dy!]);
  },
  cost: (_, __, shape, registers) => elementwiseCost(13, shape, registers),
};

export function layerNormInput(x: Value, gain: Value, dy: Value, epsilon: number, label = 'layerNormInput'): Value {
  return x.graph.add(layerNormInputOp, [x, gain, dy], { epsilon }, label);
}
