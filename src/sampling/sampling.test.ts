import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { greedy } from './greedy.ts';
import { klDivergence } from './klDivergence.ts';
import { likeliest, logNormalizer } from './logProbabilities.ts';
import { minP } from './minP.ts';
import { penalizeRepetition } from './repetitionPenalty.ts';
import { createSampler } from './sampler.ts';
import { drawAt } from './temperature.ts';
import { topK } from './topK.ts';
import { topP, topPOfAll } from './topP.ts';

const logits = (...values: number[]) => Float32Array.from(values);
const anyLogits = fc
  .array(fc.integer({ min: -8, max: 8 }), { minLength: 1, maxLength: 200 })
  .map((values) => Float32Array.from(values, (value) => value / 2));

/** The definition: all tokens, best first, of equals the lowest id first. */
function sorted(values: Float32Array) {
  return Array.from(values, (logit, id) => ({ id, logit })).sort((a, b) => b.logit - a.logit || a.id - b.id);
}

describe('greedy', () => {
  test('takes the likeliest, of equals the lowest id', () => {
    expect(greedy(logits(1, 3, 3, 2))).toBe(1);
    expect(greedy(logits(Number.NaN, -1, Number.NEGATIVE_INFINITY))).toBe(1);
  });

  test('refuses logits that are no numbers', () => {
    expect(() => greedy(logits(Number.NaN, Number.NaN))).toThrow(/no finite logit/);
    expect(() => createSampler({ temperature: 1 }).pick(logits(Number.NaN), [])).toThrow(/no finite logit/);
  });
});

describe('top k', () => {
  test('is what sorting the vocabulary gives', () => {
    fc.assert(
      fc.property(anyLogits, fc.integer({ min: 1, max: 220 }), (values, k) => {
        expect(topK(values, k)).toEqual(sorted(values).slice(0, k));
      }),
    );
  });
});

describe('top p', () => {
  test('keeps the fewest candidates that hold the share', () => {
    const third = Math.log(1 / 3);
    const candidates = topK(logits(third, third, third), 3);
    expect(topP(candidates, 0.5)).toHaveLength(2);
    expect(topP(candidates, 0.01)).toHaveLength(1);
    expect(topP(candidates, 1)).toHaveLength(3);
  });

  test('over a whole vocabulary, it is the same without sorting all of it', () => {
    fc.assert(
      fc.property(anyLogits, fc.double({ min: 0.01, max: 1, noNaN: true }), (values, p) => {
        expect(topPOfAll(values, p)).toEqual(topP(sorted(values), p));
      }),
    );
  });
});

test('min p drops what is less likely than a share of the likeliest', () => {
  const candidates = topK(logits(0, Math.log(0.5), Math.log(0.09)), 3);
  expect(minP(candidates, 0.1).map(({ id }) => id)).toEqual([0, 1]);
  expect(minP(candidates, 0)).toHaveLength(3);
  expect(minP(candidates, 1)).toHaveLength(1);
});

test('the repetition penalty divides positive logits, multiplies others, each token once', () => {
  const values = logits(2, -2, 4);
  penalizeRepetition(values, [0, 1, 0], 2);
  expect(Array.from(values)).toEqual([1, -4, 4]);
});

describe('drawing', () => {
  test('follows the softmax at the temperature', () => {
    const candidates = topK(logits(Math.log(4), Math.log(2), Math.log(1)), 3);
    const counts = [0, 0, 0];
    for (let i = 0; i < 7000; i++) counts[drawAt(candidates, 1, (i + 0.5) / 7000)]++;
    expect(counts).toEqual([4000, 2000, 1000]);
    const halved = [0, 0, 0];
    for (let i = 0; i < 2100; i++) halved[drawAt(candidates, 0.5, (i + 0.5) / 2100)]++;
    expect(halved).toEqual([1600, 400, 100]);
  });

  test('the same seed draws the same tokens', () => {
    const values = Float32Array.from({ length: 50 }, (_, i) => Math.sin(i));
    const draw = (seed: number) => {
      const sampler = createSampler({ temperature: 1, seed });
      return Array.from({ length: 20 }, () => sampler.pick(values.slice(), []));
    };
    expect(draw(7)).toEqual(draw(7));
    expect(draw(7)).not.toEqual(draw(8));
  });

  test('without a seed it tells the one it took', () => {
    const { seed } = createSampler({ temperature: 1 });
    expect(Number.isInteger(seed) && seed >= 0 && seed < 2 ** 32).toBe(true);
  });
});

test('log-probabilities sum to one and are told likeliest first', () => {
  const values = logits(1, 2, 3, -50);
  const all = likeliest(values, logNormalizer(values), 4);
  expect(all.map(({ id }) => id)).toEqual([2, 1, 0, 3]);
  expect(all.reduce((sum, { logProbability }) => sum + Math.exp(logProbability), 0)).toBeCloseTo(1, 12);
});

test('the divergence is none from itself, and that of the definition from another', () => {
  const p = logits(Math.log(0.5), Math.log(0.5));
  const q = logits(Math.log(0.25), Math.log(0.75));
  expect(klDivergence(p, p)).toBe(0);
  expect(klDivergence(p, q)).toBeCloseTo(0.5 * Math.log(2) + 0.5 * Math.log(2 / 3), 6);
});
