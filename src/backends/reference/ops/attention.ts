import { OptionError } from '../../../core/errors.ts';
import { type AttentionAttributes, alibiSlope } from '../../../graph/ops/attention.ts';
import type { Matrix, ReferenceKernel, StepContext } from '../kernel.ts';

/** What one query head of one token gives its attention to. */
interface Attended {
  /** Rows of keys and values: positions of the cache, or tokens of the step. */
  readonly start: number;
  /** Where the head's queries begin, and within a row its keys and values. */
  readonly query: number;
  readonly shared: number;
  /** By row from `start`: probabilities, and what the cap lets through of a change of the score, 1 without one. */
  readonly probabilities: readonly number[];
  readonly slopes: readonly number[];
}

function* attended(
  attributes: AttentionAttributes,
  q: Matrix,
  keys: Matrix,
  { registers: { T, P, S }, cache }: StepContext,
): Generator<Attended> {
  const { heads, kvHeads, headSize, scale, window, softcap, causal = true, alibi = 0 } = attributes;
  const width = kvHeads * headSize;
  for (let t = 0; t < T; t++) {
    // the sequence's rows begin at `first`
    const first = cache ? Math.floor(t / S) * cache.context : t - (t % S);
    const own = first + P + (t % S);
    const start = window > 0 ? Math.max(first, own + 1 - window) : first;
    const end = causal ? own + 1 : window > 0 ? Math.min(first + S, own + window) : first + S;
    for (let head = 0; head < heads; head++) {
      const slope = alibi > 0 ? alibiSlope(head, heads, alibi) : 0;
      const query = (t * heads + head) * headSize;
      const shared = Math.floor(head / (heads / kvHeads)) * headSize;
      const scores: number[] = [];
      const slopes: number[] = [];
      for (let p = start; p < end; p++) {
        let dot = 0;
        for (let i = 0; i < headSize; i++) dot += q[query + i]! * keys[p * width + shared + i]!;
        const score = dot * scale;
        const capped = softcap > 0 ? Math.tanh(score / softcap) : 0;
        scores.push((softcap > 0 ? softcap * capped : score) - slope * Math.abs(p - own));
        slopes.push(1 - capped ** 2);
      }
      const most = scores.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
      const weights = scores.map((score) => Math.exp(score - most));
      const total = weights.reduce((a, b) => a + b, 0);
      yield { start, query, shared, probabilities: weights.map((weight) => weight / total), slopes };
    }
  }
}

export const attention: ReferenceKernel<AttentionAttributes> = (node, [q, k, v], output, step) => {
  const { layer, kvHeads, headSize } = node.attributes;
  const { cache, registers } = step;
  const width = kvHeads * headSize;
  cache?.store(cache.keys(layer), k!, registers.P, width);
  cache?.store(cache.values(layer), v!, registers.P, width);
  const keys = cache ? cache.keys(layer) : k!;
  const values = cache ? cache.values(layer) : v!;
  for (const { start, query, shared, probabilities } of attended(node.attributes, q!, keys, step)) {
    for (let i = 0; i < headSize; i++) {
      let sum = 0;
      probabilities.forEach((share, p) => {
        sum += share * values[(start + p) * width + shared + i]!;
      });
      output[query + i] = sum;
    }
  }
};

export const attentionGradient: ReferenceKernel<AttentionAttributes> = (node, [q, k, v, dy], output, step) => {
  const { heads, kvHeads, headSize, scale } = node.attributes;
  if (step.cache) throw new OptionError('cache', 'given', 'none, as the step has gradients');
  const width = kvHeads * headSize;
  const all = node.shape[1];
  const sums = new Float64Array(output.length);
  // columns of a row of sums: queries, keys, values
  const keysFrom = heads * headSize;
  const valuesFrom = keysFrom + width;
  for (const { start, query, shared, probabilities, slopes } of attended(node.attributes, q!, k!, step)) {
    const t = Math.floor(query / keysFrom);
    const own = t * all + (query % keysFrom);
    const pulls = probabilities.map((_, p) => {
      let sum = 0;
      for (let i = 0; i < headSize; i++) sum += dy![query + i]! * v![(start + p) * width + shared + i]!;
      return sum;
    });
    const mean = pulls.reduce((sum, pull, p) => sum + pull * probabilities[p]!, 0);
    probabilities.forEach((share, p) => {
      const row = start + p;
      const change = share * (pulls[p]! - mean) * slopes[p]! * scale;
      for (let i = 0; i < headSize; i++) {
        sums[own + i]! += change * k![row * width + shared + i]!;
        sums[row * all + keysFrom + shared + i]! += change * q![query + i]!;
        sums[row * all + valuesFrom + shared + i]! += share * dy![query + i]!;
      }
    });
  }
  output.set(sums);
};
