import { describe, expect, it } from 'vitest';
import { learningRateAt } from './schedule.ts';

const schedule = { learningRate: 1e-3, minimumLearningRate: 1e-4, warmup: 100, steps: 2000 };
const at = (step: number) => learningRateAt(step, schedule);

describe('the learning rate', () => {
  it('rises during warm-up and falls to the minimum at the end', () => {
    expect(at(0)).toBeCloseTo(1e-3 / 101, 12);
    expect(at(99)).toBeCloseTo(1e-3 * (100 / 101), 12);
    expect(at(100)).toBeCloseTo(1e-3, 12);
    expect(at(1050)).toBeCloseTo(5.5e-4, 12);
    expect(at(2000)).toBe(1e-4);
    expect(at(5000)).toBe(1e-4);
    for (let step = 101; step < 2000; step++) expect(at(step)).toBeLessThan(at(step - 1));
  });

  it('is constant if the minimum is the maximum and there is no warm-up', () => {
    const constant = { learningRate: 0.1, minimumLearningRate: 0.1, warmup: 0, steps: 10 };
    for (let step = 0; step < 12; step++) expect(learningRateAt(step, constant)).toBe(0.1);
  });
});
