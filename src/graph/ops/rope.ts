/**
 * Rotary position embedding (Su et al. 2021) of every head: rotates pair i of a head by position · frequencies[i] and
 * multiplies it by `magnitude`. Columns beyond the pairs are copied. x [T, H·K] → [T, H·K].
 * 'interleaved' pairs columns (2i, 2i+1), as Meta's and GGUF's Llama; 'half' pairs (i, i+n), as GPT-NeoX and Hugging Face.
 */
import { elementwiseCost, GraphError, type Op, type Value } from '../graph.ts';

export interface RopeAttributes {
  readonly headSize: number;
  readonly layout: 'interleaved' | 'half';
  /** Radians per position of each pair; at most headSize / 2 pairs. */
  readonly frequencies: Float32Array;
  readonly magnitude: number;
  /** Frequencies of a step whose last position is at least `length`: LongRoPE's second table. */
  readonly beyond?: { readonly length: number; readonly frequencies: Float32Array };
  /** Rotates by the negative angle: multiplies by the transposed matrix, which is the gradient of rope. */
  readonly inverse?: boolean;
}

export const ropeOp: Op<RopeAttributes> = {
  name: 'rope',
  shape(inputs, { headSize, frequencies }) {
    const [x, factors] = inputs;
    if (x.shape[1] % headSize !== 0)
      throw new GraphError('rope', `the width is not a multiple of the head size, ${headSize}`, inputs);
    if (frequencies.length * 2 > headSize)
      throw new GraphError('rope', `${frequencies.length} pairs do not fit into a head of ${headSize}`, inputs);
    if (factors && factors.shape[1] !== frequencies.length)
      throw new GraphError('rope', `expected factors for ${frequencies.length} pairs`, inputs);
    return x.shape;
  },
  cost: (_, __, shape, registers) => elementwiseCost(3, shape, registers),
};

/** @param factors [1, pairs]: divisors of the frequencies (Llama 3.1, LongRoPE). Default: no factors */
export function rope(x: Value, attributes: RopeAttributes, factors?: Value, label = 'rope'): Value {
  return x.graph.add(ropeOp, factors ? [x, factors] : [x], attributes, label);
}
