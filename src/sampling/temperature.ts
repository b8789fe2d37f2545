/** Draws a token with probability softmax(logit / temperature), of candidates or of all. */
import { expNonPositive } from '../core/exp.ts';
import type { Candidate } from './candidate.ts';

/** @param temperature above 0 @param uniform a number in [0, 1) that decides */
export function drawAt(candidates: readonly Candidate[], temperature: number, uniform: number): number {
  const weights = candidates.map(({ logit }) => Math.exp((logit - candidates[0].logit) / temperature));
  let rest = uniform * weights.reduce((sum, weight) => sum + weight, 0);
  for (const [i, weight] of weights.entries()) {
    rest -= weight;
    if (rest < 0) return candidates[i].id;
  }
  return candidates.at(-1)!.id;
}

/** The same of a whole vocabulary, which need not be sorted. @param logits [V] @returns undefined where none is finite */
export function drawFromAll(logits: Float32Array, temperature: number, uniform: number): number | undefined {
  let highest = Number.NEGATIVE_INFINITY;
  for (let id = 0; id < logits.length; id++) if (logits[id] > highest) highest = logits[id];
  if (kept.length < logits.length) kept = new Float64Array(logits.length);
  // locals: the loops run for every token of a vocabulary
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

/** Weights of one draw, kept for the next one. */
let kept = new Float64Array(0);
