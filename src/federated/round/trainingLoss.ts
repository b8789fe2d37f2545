/**
 * The mean training loss of a round's members. In a secure round an update has two more integers: the member's loss times its weight,
 * and its weight. Both are masked with the update, so the server learns only their sums, whose quotient is the weighted mean. A member
 * that knows no loss adds zeros, and does not count.
 */
import type { RoundConfig } from './roundConfig.ts';

/** Number of integers that follow a secure update. */
export const LOSS_INTEGERS = 2;
/** Largest sum of either integer. */
const LARGEST_SUM = 2 ** 30;

/** Number of parameters of the model that a round trains. */
export function modelParameters({ mode, parameters, maximumLoss }: RoundConfig): number {
  return mode === 'secure' && maximumLoss !== undefined ? parameters - LOSS_INTEGERS : parameters;
}

/** @param weight of the member in the mean, 0 … 1 @param loss in nats per token */
export function lossIntegers(loss: number | undefined, weight: number, config: RoundConfig): [number, number] {
  if (loss === undefined) return [0, 0];
  const [lossScale, weightScale] = scales(config);
  return [Math.round(weight * clippedLoss(loss, config) * lossScale), Math.round(weight * weightScale)];
}

/**
 * Returns the mean loss. Undefined if no member reported one, or if a member added what no loss can be.
 * @param sums of both integers over all members
 */
export function meanLossOf([losses, weights]: Iterable<number>, config: RoundConfig): number | undefined {
  const [lossScale, weightScale] = scales(config);
  const mean = losses / lossScale / (weights / weightScale);
  // rounding moves each integer by half
  const largest = (config.maximumLoss ?? 0) * 1.01;
  return weights > 0 && mean >= 0 && mean <= largest ? mean : undefined;
}

/** Clips a loss to the range that the round agreed on. */
export function clippedLoss(loss: number, { maximumLoss = 0 }: RoundConfig): number {
  return Math.min(Math.max(0, loss), maximumLoss);
}

function scales({ cohort, maximumLoss = 1 }: RoundConfig): [number, number] {
  return [LARGEST_SUM / (cohort * maximumLoss), LARGEST_SUM / cohort];
}
