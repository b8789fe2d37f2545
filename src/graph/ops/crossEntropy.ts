/**
 * Cross-entropy loss per row, in nats: y = log Σ exp(x) − x[target]. 0 if the target is negative (ignored).
 * logits [R, V], targets [R, 1] integers → [R, 1].
 */
import { elementwiseCost, GraphError, type Op, type Value } from '../graph.ts';

export const crossEntropyOp: Op<null> = {
  name: 'crossEntropy',
  shape(inputs) {
    const [logits, targets] = inputs;
    if (targets.shape[0] !== logits.shape[0] || targets.shape[1] !== 1)
      throw new GraphError('crossEntropy', 'expected one target per row', inputs);
    return [logits.shape[0], 1];
  },
  cost: ([logits], _, __, registers) => elementwiseCost(6, logits.shape, registers),
};

export function crossEntropy(logits: Value, targets: Value, label = 'crossEntropy'): Value {
  return logits.graph.add(crossEntropyOp, [logits, targets], null, label);
}
