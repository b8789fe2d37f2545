/** Multiplies each group of columns by its own factor of the row. x [T, G·K], factors [T, G] → [T, G·K]. */
import { elementwiseCost, GraphError, type Op, type Value } from '../graph.ts';

export const scaleGroupsOp: Op<null> = {
  name: 'scaleGroups',
  shape(inputs) {
    const [x, factors] = inputs;
    if (x.shape[1] % factors.shape[1] !== 0)
      throw new GraphError('scaleGroups', 'the width is not a multiple of the number of factors', inputs);
    return x.shape;
  },
  cost: (_, __, shape, registers) => elementwiseCost(1, shape, registers),
};

export function scaleGroups(x: Value, factors: Value, label = 'scaleGroups'): Value {
  return x.graph.add(scaleGroupsOp, [x, factors], null, label);
}
