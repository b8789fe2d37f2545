import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mixture } from './mixture.ts';
import { randomAt, shuffled } from './randomAt.ts';

describe('a mixture of sources', () => {
  it('contains each source in proportion to its weight, in random order', () => {
    const pick = mixture([3, 1], 1);
    const entries = Array.from({ length: 4096 }, (_, i) => pick(i));
    expect(entries.filter(({ source }) => source === 1)).toHaveLength(1024);
    const early = entries.slice(0, 100).filter(({ source }) => source === 1).length;
    expect(early).toBeGreaterThan(10);
    expect(early).toBeLessThan(45);
  });

  it('numbers the sequences of each source without gaps', () => {
    const weights = fc.array(fc.double({ min: 1e-9, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(weights, fc.integer(), fc.integer({ min: 0, max: 3000 }), (list, seed, at) => {
        const pick = mixture(list, seed);
        const seen = list.map(() => 0);
        for (let i = 0; i < 3000; i++) {
          const { source, index } = pick(i);
          if (index !== seen[source]++) expect.fail(`sequence ${i}: ${index}`);
        }
        expect(mixture(list, seed)(at)).toEqual(pick(at));
      }),
      { seed: 1, numRuns: 50 },
    );
  });
});

describe('randomAt', () => {
  it('returns the same numbers for the same position and others elsewhere', () => {
    const first = (...place: number[]) => randomAt(...place).uniform();
    expect(first(1, 2, 3)).toBe(first(1, 2, 3));
    const values = [first(1), first(1, 0), first(0, 1), first(2), first(1, 2 ** 32), first(1, 2 ** 32 + 1)];
    expect(new Set(values).size).toBe(values.length);
    const mean = Array.from({ length: 20_000 }, (_, i) => first(7, i)).reduce((a, b) => a + b, 0) / 20_000;
    expect(mean).toBeCloseTo(0.5, 2);
  });

  it('shuffles uniformly', () => {
    const places = Array.from({ length: 5 }, () => new Array<number>(5).fill(0));
    for (let seed = 0; seed < 10_000; seed++)
      shuffled(5, randomAt(seed)).forEach((value, at) => {
        places[at][value]++;
      });
    for (const count of places.flat()) expect(Math.abs(count - 2000)).toBeLessThan(250);
  });
});
