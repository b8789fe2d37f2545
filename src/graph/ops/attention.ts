/**
 * Attention: softmax(cap(scale · q·kᵀ) − alibi)·v. Query heads share key heads in groups (GQA).
 * This step's keys and values are stored in the cache at P … P+T−1, then every token attends to the positions up to its
 * own. In a step without a cache nothing is stored, and every sequence of S tokens attends to itself alone. Encoders
 * (`causal: false`) attend to all tokens of their sequence, those behind included, and run without a cache.
 * q [T, H·K], k and v [T, G·K] with G key heads → [T, H·K]. Sinks [1, H], if given, are a further score of each head, whose
 * probability goes nowhere (gpt-oss, 2025).
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
  /** A token sees positions less than `window` away from its own; 0: all. */
  readonly window: number;
  /** Soft cap of the scores: cap·tanh(score/cap). 0: no cap. */
  readonly softcap: number;
  /** False: a token also sees the tokens behind it. Default: true. */
  readonly causal?: boolean;
  /** Maximum of ALiBi's bias exponent, usually 8: scores lose slope(head) · distance (Press et al. 2022). Default: 0, none. */
  readonly alibi?: number;
}

/** True if attention needs the whole sequence in one step. */
function needsWholeSequence({ causal = true }: AttentionAttributes): boolean {
  return !causal;
}

/** ALiBi's slope of one head: powers of 2^(−alibi/n) for the first n = 2^⌊log2 heads⌋ heads, the odd powers of its root for the rest. */
export function alibiSlope(head: number, heads: number, alibi: number): number {
  const first = 2 ** Math.floor(Math.log2(heads));
  return head < first ? 2 ** ((-alibi / first) * (head + 1)) : 2 ** ((-alibi / 2 / first) * (2 * (head - first) + 1));
}

export const attentionOp: Op<AttentionAttributes> = {
  name: 'attention',
  cacheSlot: ({ layer, kvHeads, headSize }) => ({ layer, heads: kvHeads, headSize }),
  batchOnly: needsWholeSequence,
  shape(inputs, { heads, kvHeads, headSize }) {
    const [q, k, v, sinks] = inputs;
    if (heads % kvHeads !== 0)
      throw new GraphError('attention', `${heads} heads are not a multiple of ${kvHeads} key heads`, inputs);
    if (q.shape[1] !== heads * headSize)
      throw new GraphError('attention', `the queries are not ${heads} heads of ${headSize}`, inputs);
    if (k.shape[1] !== kvHeads * headSize || v.shape[1] !== kvHeads * headSize)
      throw new GraphError('attention', `keys or values are not ${kvHeads} heads of ${headSize}`, inputs);
    if (sinks && sinks.shape[1] !== heads)
      throw new GraphError('attention', `the sinks are not one number for each of ${heads} heads`, inputs);
    return q.shape;
  },
  cost(_, { heads, kvHeads, headSize, window, causal = true }, __, { T, P, S }) {
    let pairs = 0;
    for (let t = 0; t < S; t++) {
      const seen = causal ? P + t + 1 : S;
      pairs += window > 0 ? Math.min(seen, causal ? window : 2 * window - 1) : seen;
    }
    pairs *= T / S;
    const seen = window > 0 ? Math.min(P + T, window + T) : P + T;
    return { flops: 4 * pairs * heads * headSize, bytes: 2 * 2 * seen * kvHeads * headSize };
  },
};

export function attention(
  q: Value,
  k: Value,
  v: Value,
  attributes: AttentionAttributes,
  label = 'attention',
  sinks?: Value,
): Value {
  return q.graph.add(attentionOp, sinks ? [q, k, v, sinks] : [q, k, v], attributes, label);
}
