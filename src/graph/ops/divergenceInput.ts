/**
 * The gradient of divergence with respect to the student's logits, with its p and q:
 *   temperature · dy · ((1 − reverse) · (q − p) + reverse · q · (log q − log p − KL(q‖p))).
 * logits and teacher [R, V], dy [R, 1] → [R, V].
 */
import { elementwiseCost, GraphError, type Op, sameShape, type Value } from '../graph.ts';
import type { DivergenceAttributes } from './divergence.ts';

export const divergenceInputOp: Op<DivergenceAttributes> = {
  name: 'divergenceInput',
  shape(inputs) {
    const [logits, teacher, dy] = inputs;
    const shape = sameShape('divergenceInput', [logits!, teacher!]);
    if (dy!.shape[0] !== shape[0] || dy!.shape[1] !== 1)
      throw new GraphError('divergenceInput', 'one gradient a row expected', inputs);
    return shape;
  },
  cost: (_, __, shape, registers) => elementwiseCost(20, shape, registers),
};

export function divergenceInput(
  logits: Value,
  teacher: Value,
  dy: Value,
  attributes: DivergenceAttributes,
  label = 'divergenceInput',
): Value {
  return logits.graph.add(divergenceInputOp, [logits, teacher, dy], attributes, label);
}
