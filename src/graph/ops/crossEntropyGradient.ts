/**
 * Gradient of `crossEntropy` with respect to its logits: (softmax(x) − onehot(target)) · dy; zeros in rows with a negative
 * target. logits [R, V], targets [R, 1] integers, dy [R, 1] → [R, V].
 */
import { elementwiseCost, GraphError, type Op, type Value } from '../graph.ts';

export const crossEntropyGradientOp: Op<null> = {
  name: 'crossEntropyGradient',
  shape(inputs) {
    const [logits, ...others] = inputs;
    for (const other of others) {
      if (other.shape[0] !== logits.shape[0] || other.shape[1] !== 1)
        throw new GraphError('crossEntropyGradient', 'expected one target and one gradient per row', inputs);
    }
    return logits.shape;
  },
  cost: (_, __, shape, registers) => elementwiseCost(8, shape, registers),
};

export function crossEntropyGradient(logits: Value, targets: Value, dy: Value, label = 'crossEntropyGradient'): Value {
  return logits.graph.add(crossEntropyGradientOp, [logits, targets, dy], null, label);
}
