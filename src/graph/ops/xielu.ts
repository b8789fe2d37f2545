/**
 * xIELU (Huang, Schlag 2024), element by element: y = positive·x² + beta·x for x > 0, else
 * negative·(exp(min(x, epsilon)) − 1 − x) + beta·x.
 */
import { elementwiseCost, type Op, type Value } from '../graph.ts';

export interface XieluAttributes {
  readonly positive: number;
  readonly negative: number;
  readonly beta: number;
  /** At most 0. */
  readonly epsilon: number;
}

export const xieluOp: Op<XieluAttributes> = {
  name: 'xielu',
  shape: ([x]) => x.shape,
  cost: (_, __, shape, registers) => elementwiseCost(12, shape, registers),
};

export function xielu(x: Value, attributes: XieluAttributes, label = 'xielu'): Value {
  return x.graph.add(xieluOp, [x], attributes, label);
}
