/**
 * Short convolution: every channel is filtered over the last K tokens of its sequence, y[t, d] = Σ_k w[d, k] · x[t − (K−1) + k, d]
 * + bias[d], with zeros before the first token. Its state is the last K − 1 rows of x. x [T, D], w [D, K], bias [1, D] → [T, D].
 * In encoders the filter is centred: it reads (K−1)/2 tokens on each side, x[t − (K−1)/2 + k, d], with zeros outside the sequence.
 */
import { GraphError, type Op, rowsOf, type Value } from '../graph.ts';

export interface ShortConvAttributes {
  /** Layer of the recurrent state. */
  readonly layer: number;
  /** True if the filter lies around its token, for an odd number of taps and only in steps without a cache. Default: false. */
  readonly centred?: boolean;
}

/** Number of tokens before the current one that a filter of `taps` tokens reads. */
export const tapsBefore = (taps: number, { centred = false }: ShortConvAttributes): number =>
  centred ? (taps - 1) / 2 : taps - 1;

export const shortConvOp: Op<ShortConvAttributes> = {
  name: 'shortConv',
  stateSlot: ([, weights], { layer }) => {
    const [channels, taps] = weights.shape as readonly [number, number];
    return { layer, elements: channels * (taps - 1) };
  },
  batchOnly: ({ centred = false }) => centred,
  shape(inputs, { centred = false }) {
    const [x, weights, bias] = inputs;
    if (weights.shape[0] !== x.shape[1]) throw new GraphError('shortConv', 'not one filter per channel', inputs);
    if (weights.shape[1] < 2) throw new GraphError('shortConv', 'the filter is shorter than 2 tokens', inputs);
    if (centred && weights.shape[1] % 2 === 0)
      throw new GraphError('shortConv', 'a centred filter has no token in its middle', inputs);
    if (bias && bias.shape[1] !== x.shape[1]) throw new GraphError('shortConv', 'the bias has another width', inputs);
    return x.shape;
  },
  cost([, weights], _, shape, registers) {
    const [channels, taps] = weights.shape as readonly [number, number];
    return { flops: 2 * rowsOf(shape, registers) * channels * taps, bytes: 4 * channels * (2 * taps - 1) };
  },
};

export function shortConv(
  x: Value,
  weights: Value,
  attributes: ShortConvAttributes,
  bias?: Value,
  label = 'shortConv',
): Value {
  return x.graph.add(shortConvOp, bias ? [x, weights, bias] : [x, weights], attributes, label);
}
