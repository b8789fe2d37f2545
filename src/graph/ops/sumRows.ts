/** Sum over rows; the gradient of a bias. x [T, D] → [1, D]. */
import { elementwiseCost, type Op, type Value } from '../graph.ts';

export const sumRowsOp: Op<null> = {
  name: 'sumRows',
  shape: ([x]) => [1, x.shape[1]],
  cost: ([x], _, __, registers) => elementwiseCost(1, x.shape, registers),
};

export function sumRows(x: Value, label = 'sumRows'): Value {
  return x.graph.add(sumRowsOp, [x], null, label);
}
