/** Drops candidates below a fraction of the highest probability (Nguyen et al. 2024, arXiv 2407.01082). */
import type { Candidate } from './candidate.ts';

/** @param p fraction, 0 … 1; 0 keeps all */
export function minP(candidates: readonly Candidate[], p: number): readonly Candidate[] {
  if (p <= 0) return candidates;
  const least = candidates[0].logit + Math.log(p);
  return candidates.filter(({ logit }) => logit >= least);
}
