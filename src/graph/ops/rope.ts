/**
 * Rotary position embedding (Su et al. 2021) of every head: pair i of a head is turned by position · frequencies[i] and
 * scaled by `magnitude`. Columns beyond the pairs stay as they are. x [T, H·K] → [T, H·K].
 * 'interleaved' pairs columns (2i, 2i+1), as Meta's and GGUF's llama; 'half' pairs (i, i+n), as GPT-NeoX and Hugging Face.
 */
import { elementwiseCost, GraphError, type Op, type Value } from '../graph.ts';

export interface RopeAttributes {
  readonly headSize: number;
  readonly layout: 'interleaved' | 'half';
  /** Radians per position of each pair, at most headSize / 2 of them. */
  readonly frequencies: Float32Array;
  readonly magnitude: number;
  /** Turns the other way, by the transposed matrix with the same magnitude: the gradient. */
  readonly inverse?: boolean;
}

export const ropeOp: Op<RopeAttributes> = {
  name: 'rope',
  shape(inputs, { headSize, frequencies }) {
    const [x, factors] = inputs;
    if (x!.shape[1] % headSize !== 0)
      throw new GraphError('rope', `width is no multiple of head size ${headSize}`, inputs);
    if (frequencies.length * 2 > headSize)
      throw new GraphError('rope', `${frequencies.length} pairs in a head`, inputs);
    if (factors && factors.shape[1] !== frequencies.length)
      throw new GraphError('rope', `factors for ${frequencies.length} pairs expected`, inputs);
    return x!.shape;
  },
  cost: (_, __, shape, registers) => elementwiseCost(3, shape, registers),
};

/** @param factors [1, pairs]: each frequency is divided by its factor (Llama 3.1, LongRoPE), where the model has them */
export function rope(x: Value, attributes: RopeAttributes, factors?: Value, label = 'rope'): Value {
  return x.graph.add(ropeOp, factors ? [x, factors] : [x], attributes, label);
}
