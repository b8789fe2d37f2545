/** Short convolutions: filters of several lengths, odd widths, with and without a bias, continued and without a cache. */
import { add } from '../../../src/graph/ops/add.ts';
import { multiply } from '../../../src/graph/ops/multiply.ts';
import { shortConv } from '../../../src/graph/ops/shortConv.ts';
import { type Case, type StepPlan, sequences } from '../case.ts';

/** Pieces shorter than the filter, several pages at once, a copy, and going back to the end of a page. */
const steps: readonly StepPlan[] = [
  { T: 1 },
  { T: 1 },
  { T: 13 },
  { T: 2 },
  { T: 1 },
  { T: 2, cache: 1, copyOf: 0 },
  { T: 50, rows: [0, 1, 2, 13, 14, 49] },
  { T: 3, cache: 1 },
  { T: 1 },
  { T: 3, P: 16 },
  { T: 1 },
  { T: 14 },
  { T: 1, P: 32 },
  { T: 7, P: 0 },
];

const shapes = [
  { channels: 8, taps: 3, bias: false },
  { channels: 64, taps: 4, bias: true },
  { channels: 5, taps: 2, bias: true },
  { channels: 33, taps: 7, bias: false },
];

const stepped: readonly Case[] = shapes.flatMap(({ channels, taps, bias }) =>
  [
    { name: 'continued', steps },
    { name: 'without a cache', steps: sequences },
  ].map(({ name, steps }) => ({
    name: `shortConv, ${channels} channels, ${taps} taps${bias ? ', bias' : ''}, ${name}`,
    arithmetic: 'sums',
    steps,
    build(test) {
      const filtered = (layer: number, x = test.rows(channels)) =>
        shortConv(x, test.floats(channels, taps), { layer }, bias ? test.floats(1, channels) : undefined);
      const y = multiply(filtered(3), test.rows(channels));
      test.output('y', add(filtered(1, y), y));
    },
  })),
);

/** Filters of encoders, in sequences that are shorter and longer than the filter. */
const centred: readonly Case[] = [
  { channels: 8, taps: 3, bias: false },
  { channels: 33, taps: 7, bias: true },
].map(({ channels, taps, bias }) => ({
  name: `shortConv, ${channels} channels, ${taps} taps${bias ? ', bias' : ''}, centred`,
  arithmetic: 'sums',
  steps: sequences,
  build(test) {
    const filters = test.floats(channels, taps);
    const attributes = { layer: 0, centred: true };
    test.output('y', shortConv(test.rows(channels), filters, attributes, bias ? test.floats(1, channels) : undefined));
  },
}));

export const shortConvCases: readonly Case[] = [...stepped, ...centred];
