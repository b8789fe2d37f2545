/** Isotonic regression: the probability of an event as a step function that never rises with the score (pool adjacent violators). */

/** A step: scores from `from` on have this probability, up to the next step. */
export interface IsotonicStep {
  readonly from: number;
  readonly probability: number;
}

/** @param events 0 or 1 for each score @returns steps of ascending scores and descending probabilities */
export function fitIsotonic(scores: readonly number[], events: readonly number[]): IsotonicStep[] {
  const groups = new Map<number, { from: number; sum: number; count: number }>();
  for (const [i, from] of scores.entries()) {
    const group = groups.get(from) ?? { from, sum: 0, count: 0 };
    groups.set(from, group);
    group.sum += events[i];
    group.count++;
  }
  const pools: { from: number; sum: number; count: number }[] = [];
  for (const group of [...groups.values()].sort((a, b) => a.from - b.from)) {
    pools.push(group);
    while (pools.length > 1) {
      const [a, b] = [pools.at(-2)!, pools.at(-1)!];
      if (a.sum / a.count > b.sum / b.count) break;
      pools.pop();
      a.sum += b.sum;
      a.count += b.count;
    }
  }
  return pools.map(({ from, sum, count }) => ({ from, probability: sum / count }));
}

/** @returns the probability at a score; below all steps that of the first one */
export function isotonicAt(steps: readonly IsotonicStep[], score: number): number {
  let found = steps[0]?.probability ?? 0;
  for (const { from, probability } of steps) {
    if (from > score) break;
    found = probability;
  }
  return found;
}

/** Expected calibration error: mean distance between predicted probability and frequency, in `bins` bins of equal width. */
export function calibrationError(predicted: readonly number[], events: readonly number[], bins = 10): number {
  const sums = Array.from({ length: bins }, () => ({ predicted: 0, events: 0 }));
  for (const [i, probability] of predicted.entries()) {
    const bin = sums[Math.min(bins - 1, Math.floor(probability * bins))];
    bin.predicted += probability;
    bin.events += events[i];
  }
  const total = sums.reduce((sum, bin) => sum + Math.abs(bin.predicted - bin.events), 0);
  return predicted.length === 0 ? 0 : total / predicted.length;
}
