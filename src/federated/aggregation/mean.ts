import { type Aggregate, inOrder, type WeightedUpdate } from './update.ts';

/** Mean weighted by examples (FedAvg, McMahan et al. 2017). */
export function mean(updates: readonly WeightedUpdate[]): Float32Array {
  const ordered = inOrder(updates);
  const total = ordered.reduce((sum, { weight }) => sum + weight, 0);
  const sum = new Float64Array(ordered[0].values.length);
  for (const { weight, values } of ordered) {
    const share = weight / total;
    for (let i = 0; i < sum.length; i++) sum[i] += share * values[i];
  }
  return Float32Array.from(sum);
}

/** Mean in which every client counts the same: what a client says about its examples changes nothing. */
export const uniformMean: Aggregate = (updates) => mean(updates.map((update) => ({ ...update, weight: 1 })));
