/** Log-probabilities (in nats) from logits. */
import { topK } from './topK.ts';

export interface TokenLogProbability {
  readonly id: number;
  readonly logProbability: number;
}

/** Returns log Σ e^logit. A log-probability is the logit minus this. @param logits [V] */
export function logNormalizer(logits: Float32Array): number {
  let highest = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < logits.length; i++) if (logits[i] > highest) highest = logits[i];
  let sum = 0;
  for (let i = 0; i < logits.length; i++) sum += Math.exp(logits[i] - highest);
  return highest + Math.log(sum);
}

/** Returns the `count` most likely tokens in descending order. */
export function topLogProbs(logits: Float32Array, normalizer: number, count: number): TokenLogProbability[] {
  return topK(logits, count).map(({ id, logit }) => ({ id, logProbability: logit - normalizer }));
}
