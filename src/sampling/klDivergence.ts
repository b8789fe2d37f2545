/** Kullback–Leibler divergence of two next-token distributions, natural logarithms. */
import { logNormalizer } from './logProbabilities.ts';

/** Σ p·(log p − log q). @param p logits [V] of the distribution that is taken for true @param q logits [V] */
export function klDivergence(p: Float32Array, q: Float32Array): number {
  const ofP = logNormalizer(p);
  const ofQ = logNormalizer(q);
  let sum = 0;
  for (let id = 0; id < p.length; id++) {
    const logP = p[id] - ofP;
    sum += Math.exp(logP) * (logP - (q[id] - ofQ));
  }
  return sum;
}
