/**
 * Causal attention over the cache. This step's keys and values are stored at positions P … P+T−1; then each token attends
 * to all positions up to its own: softmax(cap(scale · q·kᵀ))·v. Groups of query heads share a key head (GQA).
 * Each sequence of S tokens attends only to itself and its own past. A step without a cache stores nothing.
 * q [T, H·K], k and v [T, G·K] with G key heads → [T, H·K].
 */
import { GraphError, type Op, type Value } from '../graph.ts';

export interface AttentionAttributes {
  /** Layer of the cache that stores these keys and values. */
  readonly layer: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headSize: number;
  /** Multiplier of q·k, usually 1/sqrt(headSize). */
  readonly scale: number;
  /** Sliding window: a token sees the last `window` positions, its own included. 0: no limit. */
  readonly window: number;
  /** Soft cap of the scores: cap·tanh(score/cap). 0: no cap. */
  readonly softcap: number;
}

export const attentionOp: Op<AttentionAttributes> = {
  name: 'attention',
  cacheSlot: ({ layer, kvHeads, headSize }) => ({ layer, heads: kvHeads, headSize }),
  shape(inputs, { heads, kvHeads, headSize }) {
    const [q, k, v] = inputs;
    if (heads % kvHeads !== 0)
      throw new GraphError('attention', `${heads} heads are not a multiple of ${kvHeads} key heads`, inputs);
    if (q!.shape[1] !== heads * headSize)
      throw new GraphError('attention', `the queries are not ${heads} heads of ${headSize}`, inputs);
    if (k!.shape[1] !== kvHeads * headSize || v!.shape[1] !== kvHeads * headSize)
      throw new GraphError('attention', `keys or values are not ${kvHeads} heads of ${headSize}`, inputs);
    return q!.shape;
  },
  cost(_, { heads, kvHeads, headSize, window }, __, { T, P, S }) {
    let pairs = 0;
    for (let t = 0; t < S; t++) pairs += window > 0 ? Math.min(P + t + 1, window) : P + t + 1;
    pairs *= T / S;
    const seen = window > 0 ? Math.min(P + T, window + T) : P + T;
    return { flops: 4 * pairs * heads * headSize, bytes: 2 * 2 * seen * kvHeads * headSize };
  },
};

export function attention(q: Value, k: Value, v: Value, attributes: AttentionAttributes, label = 'attention'): Value {
  return q.graph.add(attentionOp, [q, k, v], attributes, label);
}
