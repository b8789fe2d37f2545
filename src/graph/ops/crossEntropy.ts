/**
 * Minus the log probability of each row's target, in nats: y = log Σ exp(x) − x[target]; 0 where the target is negative.
 * logits [R, V], targets [R, 1] integers → [R, 1].
 */
import { elementwiseCost, GraphError, type Op, type Value } from '../graph.ts';

export const crossEntropyOp: Op<null> = {
  name: 'crossEntropy',
  shape(inputs) {
    const [logits, targets] = inputs;
    if (targets!.shape[0] !== logits!.shape[0] || targets!.shape[1] !== 1)
      throw new GraphError('crossEntropy', 'one target a row expected', inputs);
    return [logits!.shape[0], 1];
  },
  cost: ([logits], _, __, registers) => elementwiseCost(6, logits!.shape, registers),
};

export function crossEntropy(logits: Value, targets: Value, label = 'crossEntropy'): Value {
  return logits.graph.add(crossEntropyOp, [logits, targets], null, label);
}
