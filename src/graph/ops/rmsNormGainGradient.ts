/**
 * Gradient of `rmsNorm` with respect to its gain: Σ dy · x / sqrt(mean(x²) + epsilon) over rows and over groups of `size`
 * columns. x and dy [T, G·size] → [1, size].
 */
import { elementwiseCost, GraphError, type Op, sameShape, type Value } from '../graph.ts';

export interface RmsNormGainGradientAttributes {
  readonly epsilon: number;
  /** Width of the gain. */
  readonly size: number;
}

export const rmsNormGainGradientOp: Op<RmsNormGainGradientAttributes> = {
  name: 'rmsNormGainGradient',
  shape(inputs, { size }) {
    if (sameShape('rmsNormGainGradient', inputs)[1] % size !== 0)
      throw new GraphError(
        'rmsNormGainGradient',
        `the width is not a multiple of the width of the gain, ${size}`,
        inputs,
      );
    return [1, size];
  },
  cost: ([x], _, __, registers) => elementwiseCost(5, x.shape, registers),
};

export function rmsNormGainGradient(
  x: Value,
  dy: Value,
  attributes: RmsNormGainGradientAttributes,
  label = 'rmsNormGainGradient',
): Value {
  return x.graph.add(rmsNormGainGradientOp, [x, dy], attributes, label);
}
