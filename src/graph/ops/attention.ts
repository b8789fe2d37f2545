/**
 * Causal attention over the cache: this step's keys and values are stored at P … P+T−1, then every token's queries
 * attend to positions up to its own: softmax(cap(scale · q·kᵀ))·v. Query heads share key heads in groups (GQA).
 * Every sequence of S tokens attends to itself and its own past alone; in a step without a cache nothing is stored.
 * q [T, H·K], k and v [T, G·K] with G key heads → [T, H·K].
 */
import { GraphError, type Op, type Value } from '../graph.ts';

export interface AttentionAttributes {
  /** Which slot of the cache holds these keys and values. */
  readonly layer: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headSize: number;
  /** What q·k is multiplied by, usually 1/sqrt(headSize). */
  readonly scale: number;
  /** Only the last `window` positions are seen, the token's own included; 0: all. */
  readonly window: number;
  /** Scores go through cap·tanh(score/cap); 0: they do not. */
  readonly softcap: number;
}

export const attentionOp: Op<AttentionAttributes> = {
  name: 'attention',
  cacheSlot: ({ layer, kvHeads, headSize }) => ({ layer, heads: kvHeads, headSize }),
  shape(inputs, { heads, kvHeads, headSize }) {
    const [q, k, v] = inputs;
    if (heads % kvHeads !== 0) throw new GraphError('attention', `${heads} heads over ${kvHeads} key heads`, inputs);
    if (q!.shape[1] !== heads * headSize)
      throw new GraphError('attention', `${heads} heads of ${headSize} expected`, inputs);
    if (k!.shape[1] !== kvHeads * headSize || v!.shape[1] !== kvHeads * headSize)
      throw new GraphError('attention', `${kvHeads} key heads of ${headSize} expected`, inputs);
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
