import { describe, expect, it } from 'vitest';
import { seededRandom } from '../core/random.ts';
import { evolve } from './evolve.ts';

describe('evolution', () => {
  /** Losses that do not add up: neighbours that are both left out cost more. */
  const lossOf = (importance: readonly number[]) => async (levels: readonly number[]) =>
    levels.reduce(
      (sum, level, i) =>
        sum + (level === 0 ? importance[i] * (levels[i + 1] === 0 ? 3 : 1) : level === 1 ? importance[i] / 4 : 0),
      0,
    );

  it('finds what trying everything finds, within the budget', async () => {
    const random = seededRandom(2);
    for (let round = 0; round < 5; round++) {
      const importance = Array.from({ length: 6 }, () => random.uniform());
      const costs = importance.map(() => [0, 1, 2]);
      const evaluate = lossOf(importance);
      const budget = 7;
      let best = Number.POSITIVE_INFINITY;
      for (let code = 0; code < 3 ** 6; code++) {
        const levels = importance.map((_, i) => Math.floor(code / 3 ** i) % 3);
        if (levels.reduce((sum, level) => sum + level, 0) <= budget) best = Math.min(best, await evaluate(levels));
      }
      const start = [2, 2, 2, 1, 0, 0];
      const found = await evolve({ costs, budget, start, evaluate, random, generations: 40 });
      expect(found.levels.reduce((sum, level) => sum + level, 0)).toBeLessThanOrEqual(budget);
      expect(found.loss).toBeLessThanOrEqual(1.1 * best);
    }
  });

  it('goes to neighbouring levels where they are ordered', async () => {
    const costs = [
      [1, 2, 3, 4],
      [1, 2, 3, 4],
      [1, 2, 3, 4],
    ];
    const seen: (readonly number[])[] = [];
    const losses = [9, 1, 1];
    const { levels } = await evolve({
      ...{ costs, budget: 6, start: [1, 1, 1], isOrdered: true, random: seededRandom(4), generations: 20 },
      evaluate: async (candidate) => {
        seen.push(candidate);
        return candidate.reduce((sum, level, i) => sum + losses[i] / (1 + level), 0);
      },
    });
    expect(levels).toEqual([3, 0, 0]);
    expect(seen.every((each) => each.reduce((sum, level) => sum + level + 1, 0) <= 6)).toBe(true);
    // a child of the start differs from it by few steps
    const distance = (each: readonly number[]) => Math.max(...each.map((level) => Math.abs(level - 1)));
    expect(seen.slice(0, 9).every((each) => distance(each) <= 2)).toBe(true);
  });

  it('is the same with the same seed, and ends where nothing is left to try', async () => {
    const run = () =>
      evolve({
        costs: [
          [0, 1],
          [0, 1],
        ],
        budget: 1,
        start: [1, 0],
        evaluate: lossOf([0.1, 0.9]),
        random: seededRandom(1),
        generations: 100,
      });
    expect(await run()).toEqual(await run());
    expect((await run()).levels).toEqual([0, 1]);
  });
});
