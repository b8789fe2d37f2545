/** Aggregation rules by name. To add one, add its file and a line here. */
import { krum } from './krum.ts';
import { mean, uniformMean } from './mean.ts';
import { normBound } from './normBound.ts';
import { median, trimmedMean } from './trimmedMean.ts';
import type { Aggregate } from './update.ts';

/** Rules for mode 'visible'. Mode 'secure' always sums, which gives the weighted mean. */
export const aggregationRules = {
  /** Mean weighted by examples. One attacker can break it. */
  mean: () => mean,
  median: () => median,
  trimmedMean: ({ attackers }: { attackers: number }) => trimmedMean(attackers),
  krum: ({ attackers }: { attackers: number }) => krum(attackers),
  /** Mean of updates that are scaled down to the median norm. Ignores weights, since attackers declare theirs. */
  boundedMean: () => normBound('median', uniformMean),
} satisfies Readonly<Record<string, (options: { attackers: number }) => Aggregate>>;

export type AggregationRule = keyof typeof aggregationRules;
