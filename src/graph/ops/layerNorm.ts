/**
 * Layer normalization (Ba, Kiros, Hinton 2016) of groups of `size` columns: y = (x − mean) / sqrt(variance + epsilon) · gain +
 * bias. x [T, G·size], gain and bias [1, size] → [T, G·size]. G is 1 for a model's norms, the heads for norms of heads.
 */
import { elementwiseCost, GraphError, type Op, type Value } from '../graph.ts';

export interface LayerNormAttributes {
  readonly epsilon: number;
}

export const layerNormOp: Op<LayerNormAttributes> = {
  name: 'layerNorm',
  shape(inputs) {
    const [x, gain, bias] = inputs;
    if (x.shape[1] % gain.shape[1] !== 0 || bias.shape[1] !== gain.shape[1])
      throw new GraphError('layerNorm', 'the widths of x, gain and bias differ', inputs);
    return x.shape;
  },
  cost: (_, __, shape, registers) => elementwiseCost(7, shape, registers),
};

export function layerNorm(x: Value, gain: Value, bias: Value, epsilon: number, label = 'layerNorm'): Value {
  return x.graph.add(layerNormOp, [x, gain, bias], { epsilon }, label);
}
