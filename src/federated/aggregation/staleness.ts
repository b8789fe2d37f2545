/** Discount of stale updates in asynchronous aggregation (FedBuff, Nguyen et al. 2022). */
import type { Aggregate, WeightedUpdate } from './update.ts';

export interface StaleUpdate extends WeightedUpdate {
  /** Number of times that the weights moved since the client began to train. */
  readonly staleness: number;
}

/** Factor of an update. */
export function stalenessDiscount(staleness: number): number {
  return 1 / Math.sqrt(1 + staleness);
}

/**
 * Scales stale updates down before they are combined. What they lack is lost, not given to the others: the weights move less. So a robust
 * rule stands as many attackers as without, because waiting only makes an attacker's update smaller.
 */
export function discountStale(combine: Aggregate): (updates: readonly StaleUpdate[]) => Float32Array {
  return (updates) => combine(updates.map(discounted));
}

function discounted({ staleness, ...update }: StaleUpdate): WeightedUpdate {
  if (staleness === 0) return update;
  const factor = stalenessDiscount(staleness);
  return { ...update, values: update.values.map((value) => factor * value) };
}
