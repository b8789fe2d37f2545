/**
 * Thresholds with a stated risk. Units are prompts, which are exchangeable, not tokens.
 * - 'probable': Learn then Test (Angelopoulos et al. 2021, arXiv 2110.01052): thresholds are tested from the strictest on, and the last one whose
 *   null hypothesis "the risk is more than promised" is rejected keeps its promise with probability 1 − δ over the calibration prompts.
 *   The p-value is that of a bet (Waudby-Smith and Ramdas 2024), which, unlike Hoeffding's, gains from a small variance.
 * - 'average': Conformal Risk Control (Angelopoulos et al. 2022, arXiv 2208.02814): the promise holds on average over calibrations.
 */
import { OptionError } from '../../core/errors.ts';

/**
 * Wealth of a bet against "the mean is more than `risk`" that stakes everything on each loss being below it: fair if the mean is the risk, so
 * its inverse is a p-value. @param losses independent, 0 … 1
 */
export function riskPValue(losses: readonly number[], risk: number): number {
  let logarithm = 0;
  for (const loss of losses) logarithm += Math.log1p(risk - loss);
  return Math.min(1, Math.exp(-logarithm));
}

/**
 * Number of prompts without any loss that a promise takes at least.
 * @param delta 0: on average @throws {OptionError} if one of them is no share
 */
export function promptsNeeded(risk: number, delta: number): number {
  if (!(risk > 0 && risk < 1)) throw new OptionError('risk', risk, 'a share between 0 and 1');
  if (!(delta >= 0 && delta < 1)) throw new OptionError('delta', delta, 'a probability from 0 to below 1');
  if (delta === 0) return Math.ceil(1 / risk - 1);
  return Math.ceil(Math.log(1 / delta) / Math.log1p(risk));
}

/**
 * Finds the loosest threshold that keeps a promise.
 * @param thresholds from the strictest to the loosest @param lossesAt the loss of each prompt at a threshold, 0 … 1
 * @param delta probability that the promise is wrong; 0: it holds on average only
 * @returns undefined: none keeps it @throws {OptionError} if there are too few prompts for any promise of this kind
 */
export function calibrate(
  thresholds: readonly number[],
  lossesAt: (threshold: number) => readonly number[],
  risk: number,
  delta: number,
): number | undefined {
  const needed = promptsNeeded(risk, delta);
  let found: number | undefined;
  for (const threshold of thresholds) {
    const losses = lossesAt(threshold);
    if (losses.length < needed)
      throw new OptionError(
        'prompts',
        losses.length,
        `at least ${needed} to promise a risk of ${risk}${delta === 0 ? ' on average' : ` with probability ${1 - delta}`}`,
      );
    const sum = losses.reduce((total, loss) => total + loss, 0);
    const isKept = delta === 0 ? (sum + 1) / (losses.length + 1) <= risk : riskPValue(losses, risk) <= delta;
    if (!isKept) break;
    found = threshold;
  }
  return found;
}
