/**
 * Distillation loss: KL divergence between a student's and a teacher's distribution per row, in nats times temperature²
 * (Hinton et al. 2015):
 *   y = temperature² · ((1 − reverse) · KL(p‖q) + reverse · KL(q‖p)),
 *   p = softmax(teacher / temperature), q = softmax(logits / temperature).
 * The reverse divergence is mode seeking (Gu et al. 2024). logits and teacher [R, V] → [R, 1].
 */
import { elementwiseCost, type Op, sameShape, type Value } from '../graph.ts';

export interface KlDivergenceAttributes {
  readonly temperature: number;
  /** Weight of the reverse divergence, 0 … 1. */
  readonly reverse: number;
}

export const klDivergenceOp: Op<KlDivergenceAttributes> = {
  name: 'klDivergence',
  shape: (inputs) => [sameShape('klDivergence', inputs)[0], 1],
  cost: ([logits], _, __, registers) => elementwiseCost(16, logits.shape, registers),
};

export function klDivergence(
  logits: Value,
  teacher: Value,
  attributes: KlDivergenceAttributes,
  label = 'klDivergence',
): Value {
  return logits.graph.add(klDivergenceOp, [logits, teacher], attributes, label);
}
