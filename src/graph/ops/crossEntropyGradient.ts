/**
 * The gradient of crossEntropy with respect to its logits: (softmax(x) − onehot(target)) · dy, rows of zeros where the
 * target is negative. logits [R, V], targets [R, 1] integers, dy [R, 1] → [R, V].
 */
import { elementwiseCost, GraphError, type Op, type Value } from '../graph.ts';

export const crossEntropyGradientOp: Op<null> = {
  name: 'crossEntropyGradient',
  shape(inputs) {
    const [logits, ...others] = inputs;
    for (const other of others) {
      if (other.shape[0] !== logits!.shape[0] || other.shape[1] !== 1)
        throw new GraphError('crossEntropyGradient', 'one target and gradient a row expected', inputs);
    }
    return logits!.shape;
  },
  cost: (_, __, shape, registers) => elementwiseCost(8, shape, registers),
};

export function crossEntropyGradient(logits: Value, targets: Value, dy: Value, label = 'crossEntropyGradient'): Value {
  return logits.graph.add(crossEntropyGradientOp, [logits, targets, dy], null, label);
}
