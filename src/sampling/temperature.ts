/** Samples a token with probability softmax(logit / temperature). */
import { expNonPositive } from '../core/exp.ts';
import type { Candidate } from './candidate.ts';

/** @param temperature above 0 @param uniform random number in [0, 1) that selects the token */
export function sampleCandidates(candidates: readonly Candidate[], temperature: number, uniform: number): number {
  const weights = candidates.map(({ logit }) => Math.exp((logit - candidates[0].logit) / temperature));
  let rest = uniform * weights.reduce((sum, weight) => sum + weight, 0);
  for (const [i, weight] of weights.entries()) {
    rest -= weight;
    if (rest < 0) return candidates[i].id;
  }
  return candidates.at(-1)!.id;
}

/** Samples from a whole vocabulary without sorting it. @param logits [V] @returns undefined if no logit is finite */
export function sampleLogits(logits: Float32Array, temperature: number, uniform: number): number | undefined {
  let highest = Number.NEGATIVE_INFINITY;
  for (let id = 0; id < logits.length; id++) if (logits[id] > highest) highest = logits[id];
  if (kept.length < logits.length) kept = new Float64Array(logits.length);
  // a local variable, because the loops below are hot
  const weights = kept;
  const inverse = 1 / temperature;
  let sum = 0;
  for (let id = 0; id < logits.length; id++) {
    const weight = expNonPositive((logits[id] - highest) * inverse);
    weights[id] = weight;
    sum += weight;
  }
  let rest = uniform * sum;
  let last: number | undefined;
  for (let id = 0; id < logits.length; id++) {
    if (weights[id] === 0) continue;
    last = id;
    rest -= weights[id];
    if (rest < 0) return id;
  }
  return last;
}

/** Reused buffer for the weights. */
let kept = new Float64Array(0);
