/** Gated delta rule and selective scan: odd sizes, shared heads, continued over pages and without a cache. */
import { activation } from '../../../src/graph/ops/activation.ts';
import { add } from '../../../src/graph/ops/add.ts';
import { deltaRule } from '../../../src/graph/ops/deltaRule.ts';
import { rmsNorm } from '../../../src/graph/ops/rmsNorm.ts';
import { scale } from '../../../src/graph/ops/scale.ts';
import { selectiveScan } from '../../../src/graph/ops/selectiveScan.ts';
import { type Case, type StepPlan, sequences } from '../case.ts';
import type { TestGraph } from '../testGraph.ts';

/** Pieces within a page, several pages at once, a copy, and going back to the end of a page and to the start. */
const steps: readonly StepPlan[] = [
  { T: 1 },
  { T: 14 },
  { T: 2 },
  { T: 1 },
  { T: 2, cache: 1, copyOf: 0 },
  { T: 50, rows: [0, 1, 2, 13, 14, 49] },
  { T: 3, cache: 1 },
  { T: 3, P: 16 },
  { T: 1 },
  { T: 14 },
  { T: 1, P: 32 },
  { T: 7, P: 0 },
];

const plans = [
  { name: 'continued', steps },
  { name: 'without a cache', steps: sequences },
];

const rules = [
  { heads: 1, keyHeads: 1, keySize: 4, valueSize: 4, order: 'turns' },
  { heads: 6, keyHeads: 2, keySize: 16, valueSize: 16, order: 'turns' },
  { heads: 6, keyHeads: 2, keySize: 16, valueSize: 16, order: 'blocks' },
  { heads: 3, keyHeads: 3, keySize: 7, valueSize: 5, order: 'blocks' },
  { heads: 2, keyHeads: 1, keySize: 24, valueSize: 37, order: 'blocks' },
] as const;

const scans = [
  { heads: 1, headSize: 4, groups: 1, stateSize: 4, perHead: 1 },
  { heads: 6, headSize: 16, groups: 2, stateSize: 16, perHead: 1 },
  { heads: 4, headSize: 5, groups: 4, stateSize: 7, perHead: 1 },
  { heads: 3, headSize: 24, groups: 1, stateSize: 9, perHead: 1 },
  { heads: 37, headSize: 1, groups: 1, stateSize: 8, perHead: 8 },
  { heads: 32, headSize: 1, groups: 2, stateSize: 3, perHead: 3 },
] as const;

/** Numbers from −1 to 0. */
const negative = (test: TestGraph, rows: number, columns: number) =>
  test.floats(rows, columns, () => -test.random.uniform());

export const recurrenceCases: readonly Case[] = plans.flatMap(({ name, steps }) => [
  ...rules.map(({ heads, keyHeads, keySize, valueSize, order }): Case => {
    const label = `${heads} heads and ${keyHeads} key heads of ${keySize}, values of ${valueSize}, in ${order}`;
    return {
      name: `deltaRule, ${label}, ${name}`,
      arithmetic: 'functions',
      steps,
      build(test) {
        const unit = test.floats(1, keySize, () => 1 / Math.sqrt(keySize));
        const rule = (layer: number) =>
          deltaRule(
            rmsNorm(test.rows(2 * keyHeads * keySize), unit, 1e-6),
            test.rows(heads * valueSize),
            scale(activation(test.rows(heads), 'softplus'), -0.2),
            activation(test.rows(heads), 'sigmoid'),
            { layer, keyHeads, order },
          );
        test.output('y', add(rule(3), rule(1)));
      },
    };
  }),
  ...scans.map(({ heads, headSize, groups, stateSize, perHead }): Case => {
    const label = `${heads} heads of ${headSize} in ${groups} groups, states of ${stateSize}, A of ${perHead}`;
    return {
      name: `selectiveScan, ${label}, ${name}`,
      arithmetic: 'functions',
      steps,
      build(test) {
        const scan = (layer: number) =>
          selectiveScan(
            {
              x: test.rows(heads * headSize),
              delta: activation(test.rows(heads), 'softplus'),
              b: test.rows(groups * stateSize),
              c: test.rows(groups * stateSize),
              a: negative(test, heads, perHead),
              d: test.floats(1, heads),
            },
            { layer, groups },
          );
        test.output('y', add(scan(3), scan(1)));
      },
    };
  }),
]);
