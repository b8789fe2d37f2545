/** Nucleus sampling: the fewest candidates that hold a share p of the probability (Holtzman et al. 2020). */
import type { Candidate } from './candidate.ts';
import { topK } from './topK.ts';

/** @param p above 0; 1 keeps all @returns at least one, where there are any */
export function topP(candidates: readonly Candidate[], p: number): readonly Candidate[] {
  if (p >= 1) return candidates;
  const weight = weightOf(candidates.map(({ logit }) => logit));
  return candidates.slice(0, nucleus(candidates, p * weight));
}

/** The same over a whole vocabulary, of which only as much is sorted as the nucleus needs. @param logits [V] */
export function topPOfAll(logits: Float32Array, p: number): readonly Candidate[] {
  const wanted = p >= 1 ? Number.POSITIVE_INFINITY : p * weightOf(logits);
  for (let k = 64; ; k *= 8) {
    const candidates = topK(logits, k);
    const count = nucleus(candidates, wanted);
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

/** How many candidates weigh `wanted` together; undefined where all of them weigh less. */
function nucleus(candidates: readonly Candidate[], wanted: number): number | undefined {
  let sum = 0;
  for (const [i, { logit }] of candidates.entries()) {
    sum += Math.exp(logit - candidates[0].logit);
    if (sum >= wanted) return i + 1;
  }
  return undefined;
}
