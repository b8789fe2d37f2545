/**
 * Rows scaled by the logarithm of their position: y = x · (1 + scale·ln(⌊position / length⌋ + 1)). Positions below `length`
 * are left as they are. Llama 4 and Ministral 3 scale queries so (Nakanishi 2025). x [T, D] → [T, D].
 */
import { elementwiseCost, GraphError, type Op, type Value } from '../graph.ts';

export interface PositionScaleAttributes {
  readonly scale: number;
  readonly length: number;
}

export const positionScaleOp: Op<PositionScaleAttributes> = {
  name: 'positionScale',
  shape(inputs) {
    const [x] = inputs;
    if (x.shape[0] !== 'T') throw new GraphError('positionScale', 'rows are not the tokens of a step', inputs);
    return x.shape;
  },
  cost: (_, __, shape, registers) => elementwiseCost(1, shape, registers),
};

export function positionScale(x: Value, attributes: PositionScaleAttributes, label = 'positionScale'): Value {
  return x.graph.add(positionScaleOp, [x], { scale: attributes.scale, length: attributes.length }, label);
}
