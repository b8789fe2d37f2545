import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { greedy } from './greedy.ts';
import { klDivergence } from './klDivergence.ts';
import { logNormalizer, topLogProbs } from './logProbabilities.ts';
import { minP } from './minP.ts';
import { penalizeRepetition } from './repetitionPenalty.ts';
import { createSampler } from './sampler.ts';
import { sampleCandidates } from './temperature.ts';
import { topK } from './topK.ts';
import { topP, topPOfAll } from './topP.ts';

const logits = (...values: number[]) => Float32Array.from(values);
const anyLogits = fc
  .array(fc.integer({ min: -8, max: 8 }), { minLength: 1, maxLength: 200 })
  .map((values) => Float32Array.from(values, (value) => value / 2));

/** All tokens as candidates: descending logits, ascending ids. */
function sorted(values: Float32Array) {
  return Array.from(values, (logit, id) => ({ id, logit })).sort((a, b) => b.logit - a.logit || a.id - b.id);
}

describe('greedy', () => {
  test('returns the most likely token, of equal ones the lowest id', () => {
    expect(greedy(logits(1, 3, 3, 2))).toBe(1);
    expect(greedy(logits(Number.NaN, -1, Number.NEGATIVE_INFINITY))).toBe(1);
  });

  test('throws if all logits are NaN', () => {
    expect(() => greedy(logits(Number.NaN, Number.NaN))).toThrow(/no finite logit/);
    expect(() => createSampler({ temperature: 1 }).pick(logits(Number.NaN), [])).toThrow(/no finite logit/);
  });
});

describe('top k', () => {
  test('equals the start of the sorted vocabulary', () => {
    fc.assert(
      fc.property(anyLogits, fc.integer({ min: 1, max: 220 }), (values, k) => {
        expect(topK(values, k)).toEqual(sorted(values).slice(0, k));
      }),
    );
  });
});

describe('top p', () => {
  test('keeps the fewest candidates that reach the probability', () => {
    const third = Math.log(1 / 3);
    const candidates = topK(logits(third, third, third), 3);
    expect(topP(candidates, 0.5)).toHaveLength(2);
    expect(topP(candidates, 0.01)).toHaveLength(1);
    expect(topP(candidates, 1)).toHaveLength(3);
  });

  test('of a whole vocabulary is the same without sorting all of it', () => {
    fc.assert(
      fc.property(anyLogits, fc.double({ min: 0.01, max: 1, noNaN: true }), (values, p) => {
        expect(topPOfAll(values, p)).toEqual(topP(sorted(values), p));
      }),
    );
  });
});

test('min p drops candidates below a fraction of the highest probability', () => {
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

describe('sampling', () => {
  test('follows the softmax at the temperature', () => {
    const candidates = topK(logits(Math.log(4), Math.log(2), Math.log(1)), 3);
    const counts = [0, 0, 0];
    for (let i = 0; i < 7000; i++) counts[sampleCandidates(candidates, 1, (i + 0.5) / 7000)]++;
    expect(counts).toEqual([4000, 2000, 1000]);
    const halved = [0, 0, 0];
    for (let i = 0; i < 2100; i++) halved[sampleCandidates(candidates, 0.5, (i + 0.5) / 2100)]++;
    expect(halved).toEqual([1600, 400, 100]);
  });

  test('returns the same tokens for the same seed', () => {
    const values = Float32Array.from({ length: 50 }, (_, i) => Math.sin(i));
    const sample = (seed: number) => {
      const sampler = createSampler({ temperature: 1, seed });
      return Array.from({ length: 20 }, () => sampler.pick(values.slice(), []));
    };
    expect(sample(7)).toEqual(sample(7));
    expect(sample(7)).not.toEqual(sample(8));
  });

  test('reports its random seed if none is given', () => {
    const { seed } = createSampler({ temperature: 1 });
    expect(Number.isInteger(seed) && seed >= 0 && seed < 2 ** 32).toBe(true);
  });
});

test('log-probabilities sum to one and are in descending order', () => {
  const values = logits(1, 2, 3, -50);
  const all = topLogProbs(values, logNormalizer(values), 4);
  expect(all.map(({ id }) => id)).toEqual([2, 1, 0, 3]);
  expect(all.reduce((sum, { logProbability }) => sum + Math.exp(logProbability), 0)).toBeCloseTo(1, 12);
});

test('the KL divergence is 0 for the same distribution, and follows the definition for others', () => {
  const p = logits(Math.log(0.5), Math.log(0.5));
  const q = logits(Math.log(0.25), Math.log(0.75));
  expect(klDivergence(p, p)).toBe(0);
  expect(klDivergence(p, q)).toBeCloseTo(0.5 * Math.log(2) + 0.5 * Math.log(2 / 3), 6);
});
