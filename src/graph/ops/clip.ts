/**
 * Gradient clipping (Pascanu et al. 2013): the factor that limits the gradient's global norm to `norm`, computed from its
 * squareSum s. y = min(1, norm / sqrt(s)); 0 if s is infinite or NaN, so that such a gradient changes nothing. [1, 1].
 */
import { GraphError, type Op, type Value } from '../graph.ts';

export interface ClipAttributes {
  /** Maximum norm. Infinity: no limit. */
  readonly norm: number;
}

export const clipOp: Op<ClipAttributes> = {
  name: 'clip',
  shape(inputs) {
    const [squares] = inputs;
    if (squares.shape[0] !== 1 || squares.shape[1] !== 1) throw new GraphError('clip', 'expected a sum [1, 1]', inputs);
    return [1, 1];
  },
  cost: () => ({ flops: 3, bytes: 0 }),
};

export function clip(squares: Value, norm: number, label = 'clip'): Value {
  return squares.graph.add(clipOp, [squares], { norm }, label);
}
