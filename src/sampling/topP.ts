/** Nucleus sampling (Holtzman et al. 2020): the fewest candidates with total probability p. */
import type { Candidate } from './candidate.ts';
import { topK } from './topK.ts';

/** @param p above 0; 1 keeps all @returns at least one candidate if there are any */
export function topP(candidates: readonly Candidate[], p: number): readonly Candidate[] {
  if (p >= 1) return candidates;
  const weight = weightOf(candidates.map(({ logit }) => logit));
  return candidates.slice(0, nucleus(candidates, p * weight));
}

/** Nucleus of a whole vocabulary. Sorts only as much as it needs. @param logits [V] */
export function topPOfAll(logits: Float32Array, p: number): readonly Candidate[] {
  const target = p >= 1 ? Number.POSITIVE_INFINITY : p * weightOf(logits);
  for (let k = 64; ; k *= 8) {
    const candidates = topK(logits, k);
    const count = nucleus(candidates, target);
    if (count !== undefined) return candidates.slice(0, count);
    if (candidates.length < k) return candidates;
  }
}

/** Sum of e^(logit − highest logit). */
function weightOf(logits: ArrayLike<number>): number {
  let highest = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < logits.length; i++) highest = Math.max(highest, logits[i]);
  let sum = 0;
  for (let i = 0; i < logits.length; i++) sum += Math.exp(logits[i] - highest);
  return sum;
}

/** Number of candidates that reach the weight `target` together; undefined if all of them do not. */
function nucleus(candidates: readonly Candidate[], target: number): number | undefined {
  let sum = 0;
  for (const [i, { logit }] of candidates.entries()) {
    sum += Math.exp(logit - candidates[0].logit);
    if (sum >= target) return i + 1;
  }
  return undefined;
}
