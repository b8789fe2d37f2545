/**
 * The mean training loss of a round's members. In a secure round an update has two more integers: the member's loss times its weight,
 * and its weight. Both are masked with the update, so the server learns only their sums, whose quotient is the weighted mean. A member
 * that knows no loss adds zeros. Then the mean is of fewer members than the update, of a single one even: it is not reported.
 */
import type { Uniform } from '../privacy/secureRandom.ts';
import type { RoundConfig } from './roundConfig.ts';

/** Number of integers that follow a secure update. */
export const LOSS_INTEGERS = 2;
/** Largest sum of either integer. */
const LARGEST_SUM = 2 ** 30;

/** Number of parameters of the model that a round trains. */
export function modelParameters({ mode, parameters, maximumLoss }: RoundConfig): number {
  return mode === 'secure' && maximumLoss !== undefined ? parameters - LOSS_INTEGERS : parameters;
}

/**
 * Rounds stochastically, so that sums of many small values are unbiased.
 * @param loss in nats per token
 * @param weight of the member in the mean, 0 … 1
 */
export function lossIntegers(
  loss: number | undefined,
  weight: number,
  config: RoundConfig,
  random: Uniform,
): [number, number] {
  if (loss === undefined) return [0, 0];
  const [lossScale, weightScale] = scales(config);
  const rounded = (value: number) => Math.floor(value + random.uniform());
  return [rounded(weight * clippedLoss(loss, config) * lossScale), rounded(weight * weightScale)];
}

/**
 * Returns the mean loss. Undefined if a member knows none, or added what no loss can be.
 * @param sums of both integers over all members
 * @param weights of all members, whose sum the second integer has then
 */
export function meanLossOf(
  [losses, sum]: Iterable<number>,
  weights: readonly number[],
  config: RoundConfig,
): number | undefined {
  const [lossScale, weightScale] = scales(config);
  const total = weightScale * weights.reduce((all, weight) => all + weight, 0);
  // rounding moves each integer by less than one
  if (!(sum > 0) || Math.abs(sum - total) > weights.length) return undefined;
  const mean = losses / lossScale / (sum / weightScale);
  const largest = (config.maximumLoss ?? 0) * 1.01;
  return mean >= 0 && mean <= largest ? mean : undefined;
}

/** Clips a loss to the range that the round agreed on. */
export function clippedLoss(loss: number, { maximumLoss = 0 }: RoundConfig): number {
  return Math.min(Math.max(0, loss), maximumLoss);
}

function scales({ cohort, maximumLoss = 1 }: RoundConfig): [number, number] {
  return [LARGEST_SUM / (cohort * maximumLoss), LARGEST_SUM / cohort];
}
