/**
 * One AdamW step (Loshchilov, Hutter 2019) on a weight w. The gradient g is the accumulated gradient times `factor`:
 *   w ← w · (1 − rate · decay)
 *   m ← β₁·m + (1 − β₁)·g,  v ← β₂·v + (1 − β₂)·g²
 *   w ← w − rate · (m · c₁) / (sqrt(v · c₂) + ε)
 * Afterwards the gradient's state is set to zero for the next batch. A factor of 0 leaves w, m and v unchanged.
 * weight, gradient, m and v [rows, columns]; settings [1, 7] = rate, β₁, β₂, ε, decay, c₁ = 1/(1 − β₁ᵗ), c₂ = 1/(1 − β₂ᵗ)
 * with t = 1 for the first step; factor [1, 1]. The node has effects but no value: its shape is [0, 1].
 */
import { GraphError, isWeight, type Op, sameShape, type Value } from '../graph.ts';
import { accumulateOp } from './accumulate.ts';
import { isState } from './state.ts';

/** Columns of the `settings` input. */
export const adamWSettings = ['rate', 'beta1', 'beta2', 'epsilon', 'decay', 'correction1', 'correction2'] as const;

export interface AdamWAttributes {
  /** Applies weight decay. False for the gains and biases of norms. */
  readonly decays: boolean;
}

export const adamWOp: Op<AdamWAttributes> = {
  name: 'adamW',
  hasEffects: true,
  shape(inputs) {
    const [weight, gradient, m, v, settings, factor] = inputs;
    if (!isWeight(weight) || weight.attributes.format.name !== 'F32')
      throw new GraphError('adamW', 'the weight is not an F32 weight', inputs);
    if (gradient.op.name !== accumulateOp.name)
      throw new GraphError('adamW', 'the gradient is not accumulated', inputs);
    if (!isState(m) || !isState(v)) throw new GraphError('adamW', 'the moments are not states', inputs);
    if (settings.shape[0] !== 1 || settings.shape[1] !== adamWSettings.length)
      throw new GraphError('adamW', `expected settings [1, ${adamWSettings.length}]`, inputs);
    if (factor.shape[0] !== 1 || factor.shape[1] !== 1)
      throw new GraphError('adamW', 'expected a factor [1, 1]', inputs);
    sameShape('adamW', [weight, gradient, m, v]);
    return [0, 1];
  },
  cost: ([weight]) => ({ flops: 14 * Number(weight.shape[0]) * weight.shape[1], bytes: 0 }),
};

export interface AdamWInputs {
  readonly weight: Value;
  /** An `accumulate` node. */
  readonly gradient: Value;
  readonly m: Value;
  readonly v: Value;
  readonly settings: Value;
  /** Multiplier of the gradient, see `clip`. */
  readonly factor: Value;
}

export function adamW(
  { weight, gradient, m, v, settings, factor }: AdamWInputs,
  attributes: AdamWAttributes,
  label = 'adamW',
): Value {
  return weight.graph.add(adamWOp, [weight, gradient, m, v, settings, factor], attributes, label);
}
