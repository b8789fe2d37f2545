/** Layer normalization (Ba, Kiros, Hinton 2016): y = (x − mean) / sqrt(variance + epsilon) · gain + bias. x [T, D], gain, bias [1, D]. */
import { elementwiseCost, GraphError, type Op, type Value } from '../graph.ts';

export interface LayerNormAttributes {
  readonly epsilon: number;
}

export const layerNormOp: Op<LayerNormAttributes> = {
  name: 'layerNorm',
  shape(inputs) {
    const [x, gain, bias] = inputs;
    if (gain!.shape[1] !== x!.shape[1] || bias!.shape[1] !== x!.shape[1])
      throw new GraphError('layerNorm', 'the widths of x, gain and bias differ', inputs);
    return x!.shape;
  },
  cost: (_, __, shape, registers) => elementwiseCost(7, shape, registers),
};

export function layerNorm(x: Value, gain: Value, bias: Value, epsilon: number, label = 'layerNorm'): Value {
  return x.graph.add(layerNormOp, [x, gain, bias], { epsilon }, label);
}
