/** Draws one of the candidates, each with probability softmax(logit / temperature). */
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
