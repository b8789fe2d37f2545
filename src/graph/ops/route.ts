/**
 * Chooses the experts of each token (Shazeer et al. 2017): the `used` largest scores of its logits, plus a bias for the choice
 * only (DeepSeek-AI 2024), in decreasing order. The weight of a chosen expert is its score. Logits [T, E], bias [1, E] →
 * [T, 2·used]: the experts' numbers, then their weights.
 */
import { elementwiseCost, GraphError, type Op, type Value } from '../graph.ts';

/** Scores from logits. 'softmaxOfChosen': logits are compared, and the softmax is of the chosen ones only (gpt-oss). */
export type Gating = 'softmax' | 'sigmoid' | 'softmaxOfChosen';

export interface RouteAttributes {
  readonly used: number;
  readonly gating: Gating;
  /** True: weights are divided by their sum, which counts as 2^−14 at least. */
  readonly normalize: boolean;
  /** Factor of the weights. */
  readonly scale: number;
  /** Groups of consecutive experts, of which the `usedGroups` with the largest sum of two scores are eligible. 1: no groups. */
  readonly groups: number;
  readonly usedGroups: number;
}

export const LEAST_WEIGHT_SUM = 2 ** -14;

export const routeOp: Op<RouteAttributes> = {
  name: 'route',
  shape(inputs, { used, groups, usedGroups }) {
    const [logits, bias] = inputs;
    const experts = logits.shape[1];
    if (used < 1 || used > experts) throw new GraphError('route', `${used} of ${experts} experts`, inputs);
    const perGroup = experts / groups;
    if (!Number.isInteger(perGroup) || usedGroups < 1 || usedGroups > groups || used > usedGroups * perGroup)
      throw new GraphError('route', `${used} of ${experts} experts in ${usedGroups} of ${groups} groups`, inputs);
    if (bias && bias.shape[1] !== experts) throw new GraphError('route', 'the bias has another width', inputs);
    return [logits.shape[0], 2 * used];
  },
  cost: ([logits], { used }, shape, registers) =>
    elementwiseCost((8 * logits.shape[1]) / shape[1] + used, shape, registers),
};

export function route(logits: Value, bias: Value | undefined, attributes: RouteAttributes, label = 'route'): Value {
  return logits.graph.add(routeOp, bias ? [logits, bias] : [logits], attributes, label);
}
