import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seededRandom } from './random.ts';

function take(count: number, next: () => number): number[] {
  return Array.from({ length: count }, next);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

describe('seeded random numbers', () => {
  it('are the xoshiro128** sequence', () => {
    // state 1, 2, 3, 4; the first three numbers are computed by hand from the authors' definition
    const random = seededRandom([1, 2, 3, 4]);
    expect(take(4, () => random.uniform() * 2 ** 32)).toEqual([11520, 0, 5927040, 70819200]);
  });

  it('repeat for the same seed and differ for another', () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const first = take(10, seededRandom(seed).uniform);
        expect(take(10, seededRandom(seed).uniform)).toEqual(first);
        expect(take(10, seededRandom(seed + 1).uniform)).not.toEqual(first);
      }),
      { seed: 1 },
    );
  });

  it('continue from a saved state', () => {
    const random = seededRandom(5);
    take(100, random.normal);
    const saved = random.state();
    expect(take(20, seededRandom(saved).uniform)).toEqual(take(20, random.uniform));
  });

  it('are uniform in [0, 1)', () => {
    const values = take(40_000, seededRandom(1).uniform);
    expect(values.every((value) => value >= 0 && value < 1)).toBe(true);
    expect(mean(values)).toBeCloseTo(0.5, 2);
    expect(mean(values.map((value) => value ** 2))).toBeCloseTo(1 / 3, 2);
  });

  it('are uniform integers below the bound', () => {
    const random = seededRandom(2);
    const counts = new Array<number>(7).fill(0);
    for (let i = 0; i < 70_000; i++) counts[random.integer(7)]++;
    for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(400);
  });

  it('are normal with mean 0, variance 1 and the right tails', () => {
    const values = take(40_000, seededRandom(3).normal);
    expect(mean(values)).toBeCloseTo(0, 1);
    expect(mean(values.map((value) => value ** 2))).toBeCloseTo(1, 1);
    expect(mean(values.map((value) => Number(Math.abs(value) > 2)))).toBeCloseTo(0.0455, 2);
    expect(values.every(Number.isFinite)).toBe(true);
  });
});
