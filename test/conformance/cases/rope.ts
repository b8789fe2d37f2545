/** Rotary position embedding: both layouts, partial pairs, factors, magnitudes, small and large positions. */
import { add } from '../../../src/graph/ops/add.ts';
import { type RopeAttributes, rope } from '../../../src/graph/ops/rope.ts';
import { type Case, type StepPlan, sequences } from '../case.ts';

/** Typical frequencies of models, in radians per position. */
function frequencies(pairs: number, base: number): Float32Array {
  return Float32Array.from({ length: pairs }, (_, i) => base ** (-i / pairs));
}

const steps: readonly StepPlan[] = [
  { T: 17, P: 0 },
  { T: 1, P: 17 },
  { T: 4, P: 1000 },
  { T: 3, P: 131_000, rows: [1] },
  ...sequences,
];

const shapes = [
  { heads: 1, headSize: 2, pairs: 1 },
  { heads: 3, headSize: 6, pairs: 3 },
  { heads: 2, headSize: 64, pairs: 32 },
  { heads: 2, headSize: 80, pairs: 16 },
  { heads: 5, headSize: 10, pairs: 2 },
];

export const ropeCases: readonly Case[] = (['interleaved', 'half'] as const).flatMap((layout): Case[] => [
  {
    name: `rope, ${layout}`,
    // angles need about f64 precision: at position 131,000, f32 angles would be wrong in the third digit
    arithmetic: 'sums',
    steps,
    context: 131_072,
    build(test) {
      for (const { heads, headSize, pairs } of shapes) {
        const name = `${heads} × ${headSize}, ${pairs} pairs`;
        const attributes: RopeAttributes = { headSize, layout, frequencies: frequencies(pairs, 10_000), magnitude: 1 };
        test.output(name, rope(test.rows(heads * headSize), attributes));
        test.output(`${name}, magnitude`, rope(test.rows(heads * headSize), { ...attributes, magnitude: 1.19 }));
        // the unrotated heads are used afterwards
        const kept = test.rows(heads * headSize);
        test.output(`${name}, kept`, add(rope(kept, attributes), kept));
        const inverse = { ...attributes, magnitude: 0.8, inverse: true };
        test.output(`${name}, inverse`, rope(test.rows(heads * headSize), inverse));
      }
    },
  },
  {
    name: `rope with factors, ${layout}`,
    // frequencies divided by factors may be rounded to f32, an error of 0.01 radians at position 131,000
    arithmetic: 'angles',
    steps,
    context: 131_072,
    build(test) {
      for (const { heads, headSize, pairs } of shapes) {
        const factors = test.floats(1, pairs, () => 1 + 7 * test.random.uniform());
        const attributes: RopeAttributes = { headSize, layout, frequencies: frequencies(pairs, 5e5), magnitude: 1 };
        const x = test.rows(heads * headSize);
        test.output(`${heads} × ${headSize}, ${pairs} pairs`, rope(x, attributes, factors));
        test.output(
          `${heads} × ${headSize}, ${pairs} pairs, inverse`,
          rope(x, { ...attributes, inverse: true }, factors),
        );
      }
    },
  },
]);
