/** y = x, computed after the effects of other nodes. A training step asks for this one value to update all weights. */
import type { Op, Value } from '../graph.ts';

export const afterOp: Op<null> = {
  name: 'after',
  hasEffects: true,
  shape: ([x]) => x.shape,
  cost: () => ({ flops: 0, bytes: 0 }),
};

export function after(x: Value, effects: readonly Value[], label = 'after'): Value {
  return x.graph.add(afterOp, [x, ...effects], null, label);
}
