/** Kullback–Leibler divergence between two next-token distributions, in nats. */
import { logNormalizer } from './logProbabilities.ts';

/** Returns Σ p·(log p − log q). @param p logits [V] of the reference distribution @param q logits [V] */
export function klDivergence(p: Float32Array, q: Float32Array): number {
  const normalizerP = logNormalizer(p);
  const normalizerQ = logNormalizer(q);
  let sum = 0;
  for (let id = 0; id < p.length; id++) {
    const logP = p[id] - normalizerP;
    sum += Math.exp(logP) * (logP - (q[id] - normalizerQ));
  }
  return sum;
}
