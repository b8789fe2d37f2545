/**
 * Gradients of `attention` with respect to queries, keys and values, side by side in one matrix. For steps without a cache.
 * With the probabilities P of a head and its output O: dv = Pᵀ·dO, dP = dO·vᵀ, dS = P ∘ (dP − rowsum(dO ∘ O)), multiplied
 * by the derivative of the soft cap if there is one, dq = scale · dS·k, dk = scale · dSᵀ·q. Query heads that share a key
 * head add their dk and dv. P is recomputed (Dao et al. 2022). q and dO [T, H·K], k and v [T, G·K] → [T, (H + 2G)·K].
 * Sinks [1, H] change P; they have no gradient themselves.
 */
import { GraphError, type Op, type Value } from '../graph.ts';
import { type AttentionAttributes, attentionOp } from './attention.ts';

export const attentionGradientOp: Op<AttentionAttributes> = {
  name: 'attentionGradient',
  batchOnly: () => true,
  shape(inputs, attributes) {
    const [q, k, v, dy, ...sinks] = inputs;
    const [rows, width] = attentionOp.shape([q, k, v, ...sinks], attributes);
    if (dy.shape[0] !== rows || dy.shape[1] !== width)
      throw new GraphError('attentionGradient', 'the gradient does not have the shape of the queries', inputs);
    return [rows, width + 2 * attributes.kvHeads * attributes.headSize];
  },
  // five matrix products; attention has two
  cost(inputs, attributes, shape, registers) {
    return { flops: 2.5 * attentionOp.cost(inputs, attributes, shape, registers).flops, bytes: 0 };
  },
};

export function attentionGradient(
  q: Value,
  k: Value,
  v: Value,
  dy: Value,
  attributes: AttentionAttributes,
  label = 'attentionGradient',
  sinks?: Value,
): Value {
  return q.graph.add(attentionGradientOp, sinks ? [q, k, v, dy, sinks] : [q, k, v, dy], attributes, label);
}
