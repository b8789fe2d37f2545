/** Random weights of generated models: seeded, the same on every machine and in every version of Node. */
import { type Random, seededRandom } from '../../src/core/random.ts';

/** A tensor of a generated model: its name and shape, and the distribution of its values. */
export interface TensorPlan {
  /** Name in llama.cpp. */
  readonly name: string;
  /** Slowest dimension first. */
  readonly shape: readonly number[];
  /** Mean. Default: 0. */
  readonly mean?: number;
  /** Standard deviation. Default: 0. */
  readonly deviation?: number;
  /** Only the values -a, 0 and a, as in models trained for ternary formats. */
  readonly ternary?: boolean;
  /** Explicit values instead of random ones. */
  readonly values?: readonly number[];
  /**
   * For an untied output layer: row `successor(t)` is correlated with row t of the token embedding, so that after
   * most tokens one other is likely. Without it, the two highest logits of a random model are so close that rounding
   * decides between them.
   */
  readonly follows?: { readonly embedding: TensorPlan; readonly correlation: number };
}

/** The likely next token in a generated model. */
export function successor(token: number, vocabulary: number): number {
  return (token * 5 + 7) % vocabulary;
}

/** The values of a tensor, in rows of its last dimension. `vocabulary` rows of a head must not be a multiple of 5. */
export function valuesOf(plan: TensorPlan, seed: number): Float32Array {
  if (plan.values) return Float32Array.from(plan.values);
  const values = new Float32Array(plan.shape.reduce((product, size) => product * size, 1));
  const random = randomFor(plan.name, seed);
  const { mean = 0, deviation = 0 } = plan;
  const draw = plan.ternary ? ternary : bell;
  for (let i = 0; i < values.length; i++) values[i] = mean + deviation * draw(random);
  if (plan.follows) correlate(values, plan, plan.follows, seed);
  return values;
}

function correlate(values: Float32Array, head: TensorPlan, follows: NonNullable<TensorPlan['follows']>, seed: number) {
  const { embedding, correlation } = follows;
  const [vocabulary, width] = head.shape;
  const source = valuesOf(embedding, seed);
  const own = Math.sqrt(1 - correlation * correlation);
  const echo = (correlation * head.deviation!) / embedding.deviation!;
  for (let token = 0; token < vocabulary; token++) {
    const row = successor(token, vocabulary) * width;
    for (let i = 0; i < width; i++) values[row + i] = own * values[row + i] + echo * source[token * width + i];
  }
}

/** Each tensor has its own random sequence, so that adding one does not change the others. */
export function randomFor(name: string, seed: number): Random {
  let hash = 0x811c9dc5 ^ seed;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return seededRandom(hash);
}

/**
 * Approximates a standard normal by the sum of four uniforms, at most 3.47. Without logarithms and cosines,
 * whose last bits differ between versions of V8.
 */
export function bell(random: Random): number {
  return (random.uniform() + random.uniform() + random.uniform() + random.uniform() - 2) * Math.sqrt(3);
}

/** -a, 0 or a with equal probability and a standard deviation of 1. */
function ternary(random: Random): number {
  return (random.integer(3) - 1) * Math.sqrt(1.5);
}
