/**
 * When a small model's answer is good enough. The score is a quantile of the margins of its first tokens (Gupta et al. 2024, arXiv 2404.10136);
 * isotonic regression turns it into the probability that the large model's answer is better, and the threshold keeps a promise
 * about the quality that is lost.
 */
import { OptionError } from '../../core/errors.ts';
import { quantile } from '../../runtime/statistics.ts';
import { calibrate, promptsNeeded } from '../exits/riskControl.ts';
import { calibrationError, fitIsotonic, type IsotonicStep, isotonicAt } from './isotonic.ts';

export interface CascadeRule {
  /** Number of the small model's tokens that are looked at before it is decided. */
  readonly tokens: number;
  /** Quantile of their margins that is the score. */
  readonly quantile: number;
  /** Probability, by score, that the large model's answer is better. */
  readonly steps: readonly IsotonicStep[];
  /** The large model answers where that probability is more than this. */
  readonly threshold: number;
  readonly promise: { readonly risk: number; readonly delta: number; readonly prompts: number };
}

/** Answers of both models to one prompt. */
export interface CascadeSample {
  /** Margins of the small model's first tokens, in nats. */
  readonly margins: readonly number[];
  /** Quality of both answers, 0 … 1. */
  readonly small: number;
  readonly large: number;
}

export interface CascadeOptions {
  /** Largest mean loss of quality relative to the large model. Default 0.01. */
  readonly risk?: number;
  /** Probability that the promise is wrong, over the choice of the prompts; 0: it holds on average. Default 0.05. */
  readonly delta?: number;
  /** Tokens to look at. Default 16. */
  readonly tokens?: number;
}

const QUANTILES = [0, 0.1, 0.25, 0.5] as const;
/** Probabilities that are tested, from the strictest on. */
const THRESHOLDS = Array.from({ length: 51 }, (_, i) => i / 50);

/** @param margins of the small model's first tokens @returns undefined if it has written nothing */
export function scoreOf(
  margins: readonly number[],
  { tokens, quantile: share }: Pick<CascadeRule, 'tokens' | 'quantile'>,
) {
  const seen = margins.slice(0, tokens);
  return seen.length === 0 ? undefined : quantile(seen, share);
}

/** True if the large model should answer. */
export function defers(rule: CascadeRule, margins: readonly number[]): boolean {
  const score = scoreOf(margins, rule);
  return score === undefined || isotonicAt(rule.steps, score) > rule.threshold;
}

/** True if no answer of the small model is kept, so that it need not begin any. */
export function alwaysDefers({ steps, threshold }: CascadeRule): boolean {
  return steps.every(({ probability }) => probability > threshold);
}

/**
 * Fits the rule on one half of the samples, and finds the loosest threshold that keeps the promise on the other half.
 * @throws {OptionError} if there are too few samples, or a quality is not between 0 and 1
 */
export function fitCascade(
  samples: readonly CascadeSample[],
  { risk = 0.01, delta = 0.05, tokens = 16 }: CascadeOptions = {},
): CascadeRule & { readonly calibrationError: number } {
  // one half is fitted, the other one tested
  const needed = 2 * promptsNeeded(risk, delta);
  if (!(Number.isSafeInteger(tokens) && tokens > 0)) throw new OptionError('tokens', tokens, 'a positive whole number');
  for (const { small, large } of samples)
    for (const quality of [small, large])
      if (!(quality >= 0 && quality <= 1)) throw new OptionError('the quality of an answer', quality, 'from 0 to 1');
  const used = samples.filter(({ margins }) => margins.length > 0);
  if (used.length < needed)
    throw new OptionError('prompts', used.length, `at least ${needed}, with answers, to promise a risk of ${risk}`);
  const fitted = used.filter((_, i) => i % 2 === 0);
  const tested = used.filter((_, i) => i % 2 === 1);
  const event = ({ small, large }: CascadeSample) => (large > small ? 1 : 0);
  const mean = (values: readonly number[]) =>
    values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
  // the quantile whose ranking separates best: the large model's gain should lie at low scores
  const candidates = QUANTILES.map((share) => {
    const scores = fitted.map(({ margins }) => scoreOf(margins, { tokens, quantile: share })!);
    const steps = fitIsotonic(scores, fitted.map(event));
    const squares = scores.map((score, i) => (isotonicAt(steps, score) - event(fitted[i])) ** 2);
    return { share, steps, error: mean(squares) };
  });
  const best = candidates.reduce((a, b) => (b.error < a.error ? b : a));
  const rule = { tokens, quantile: best.share, steps: best.steps };
  const predicted = tested.map(({ margins }) => isotonicAt(best.steps, scoreOf(margins, rule)!));
  const quality = mean(used.map(({ large }) => large));
  const losses = (threshold: number) =>
    tested.map(({ small, large }, i) =>
      predicted[i] > threshold ? 0 : Math.min(1, Math.max(0, large - small) / Math.max(quality, 1e-9)),
    );
  const threshold = calibrate(THRESHOLDS, losses, risk, delta);
  return {
    ...rule,
    // none keeps the promise: the large model always answers
    threshold: threshold ?? -1,
    promise: { risk, delta, prompts: tested.length },
    calibrationError: calibrationError(predicted, tested.map(event)),
  };
}
