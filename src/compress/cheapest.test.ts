import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type Choice, cheapest } from './cheapest.ts';

type Things = readonly (readonly Choice<number>[])[];

const total = (things: Things, values: readonly number[], what: 'size' | 'cost') =>
  things.reduce((sum, choices, i) => sum + choices.find(({ value }) => value === values[i])![what], 0);

/** The least cost, by trying everything. */
function leastCost(things: Things, limit: number): number {
  const [first, ...rest] = things;
  if (!first) return 0;
  return Math.min(
    ...first.filter(({ size }) => size <= limit).map(({ size, cost }) => cost + leastCost(rest, limit - size)),
  );
}

const things = fc.array(
  fc
    .array(fc.record({ size: fc.integer({ min: 1, max: 50 }), cost: fc.integer({ min: 0, max: 1000 }) }), {
      minLength: 1,
      maxLength: 4,
    })
    .map((choices) => choices.map((choice, value) => ({ ...choice, value }))),
  { minLength: 1, maxLength: 5 },
);

it('finds the least cost within the limit', () => {
  fc.assert(
    fc.property(things, fc.integer({ min: 5, max: 200 }), (list, limit) => {
      const found = cheapest(list, limit);
      const least = leastCost(list, limit);
      expect(found === undefined).toBe(least === Number.POSITIVE_INFINITY);
      if (!found) return;
      expect(total(list, found, 'size')).toBeLessThanOrEqual(limit);
      expect(total(list, found, 'cost')).toBe(least);
    }),
  );
});

it('spends what the limit allows, at sizes of real tensors', () => {
  const list = Array.from({ length: 200 }, (_, i) =>
    [2, 3, 4, 6].map((bits) => ({
      value: bits,
      size: bits * 123_456 * (1 + (i % 5)),
      cost: (1 + (i % 7)) * 4 ** -bits,
    })),
  );
  const limit = 3.5 * list.reduce((sum, [first]) => sum + first.size / 2, 0);
  const found = cheapest(list, limit)!;
  const size = total(list, found, 'size');
  expect(size).toBeLessThanOrEqual(limit);
  expect(size).toBeGreaterThan(0.97 * limit);
});
