/**
 * Gradient of `klDivergence` with respect to the student's logits, with p and q as there:
 *   temperature · dy · ((1 − reverse) · (q − p) + reverse · q · (log q − log p − KL(q‖p))).
 * logits and teacher [R, V], dy [R, 1] → [R, V].
 */
import { elementwiseCost, GraphError, type Op, sameShape, type Value } from '../graph.ts';
import type { KlDivergenceAttributes } from './klDivergence.ts';

export const klDivergenceGradientOp: Op<KlDivergenceAttributes> = {
  name: 'klDivergenceGradient',
  shape(inputs) {
    const [logits, teacher, dy] = inputs;
    const shape = sameShape('klDivergenceGradient', [logits, teacher]);
    if (dy.shape[0] !== shape[0] || dy.shape[1] !== 1)
      throw new GraphError('klDivergenceGradient', 'expected one gradient per row', inputs);
    return shape;
  },
  cost: (_, __, shape, registers) => elementwiseCost(20, shape, registers),
};

export function klDivergenceGradient(
  logits: Value,
  teacher: Value,
  dy: Value,
  attributes: KlDivergenceAttributes,
  label = 'klDivergenceGradient',
): Value {
  return logits.graph.add(klDivergenceGradientOp, [logits, teacher, dy], attributes, label);
}
