import type { AttentionAttributes } from '../../../graph/ops/attention.ts';
import type { ReferenceKernel } from '../kernel.ts';

export const attention: ReferenceKernel<AttentionAttributes> = (node, [q, k, v], output, { registers, cache }) => {
  const { layer, heads, kvHeads, headSize, scale, window, softcap } = node.attributes;
  const { T, P, S } = registers;
  const width = kvHeads * headSize;
  const keys = cache ? cache.keys(layer) : k!;
  const values = cache ? cache.values(layer) : v!;
  cache?.store(cache.keys(layer), k!, P, width);
  cache?.store(cache.values(layer), v!, P, width);
  for (let t = 0; t < T; t++) {
    // rows of keys: positions of the cache, or tokens of the step
    const end = P + t + 1;
    const first = cache ? 0 : t - (t % S);
    const start = window > 0 ? Math.max(first, end - window) : first;
    for (let head = 0; head < heads; head++) {
      const query = (t * heads + head) * headSize;
      const shared = Math.floor(head / (heads / kvHeads)) * headSize;
      const scores: number[] = [];
      for (let p = start; p < end; p++) {
        let dot = 0;
        for (let i = 0; i < headSize; i++) dot += q![query + i]! * keys[p * width + shared + i]!;
        const score = dot * scale;
        scores.push(softcap > 0 ? softcap * Math.tanh(score / softcap) : score);
      }
      const most = scores.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
      const weights = scores.map((score) => Math.exp(score - most));
      const total = weights.reduce((a, b) => a + b, 0);
      for (let i = 0; i < headSize; i++) {
        let sum = 0;
        for (let p = start; p < end; p++) sum += weights[p - start]! * values[p * width + shared + i]!;
        output[query + i] = sum / total;
      }
    }
  }
};
