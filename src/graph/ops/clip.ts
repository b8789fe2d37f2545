/**
 * What gradients are multiplied by so that their norm is `norm` at most (Pascanu et al. 2013), from their squareSum s:
 * y = min(1, norm / sqrt(s)), and 0 where s is infinite or not a number, so that such a gradient changes nothing. [1, 1].
 */
import { GraphError, type Op, type Value } from '../graph.ts';

export interface ClipAttributes {
  /** Infinity: no limit. */
  readonly norm: number;
}

export const clipOp: Op<ClipAttributes> = {
  name: 'clip',
  shape(inputs) {
    const [squares] = inputs;
    if (squares!.shape[0] !== 1 || squares!.shape[1] !== 1)
      throw new GraphError('clip', 'a sum [1, 1] expected', inputs);
    return [1, 1];
  },
  cost: () => ({ flops: 3, bytes: 0 }),
};

export function clip(squares: Value, norm: number, label = 'clip'): Value {
  return squares.graph.add(clipOp, [squares], { norm }, label);
}
