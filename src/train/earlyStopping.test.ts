import { describe, expect, it } from 'vitest';
import { bestOf, hasStopped } from './earlyStopping.ts';

const run = (...losses: number[]) => losses.map((loss, i) => ({ step: 100 * (i + 1), loss }));

describe('early stopping', () => {
  it('ends a run after `patience` evaluations without an improvement', () => {
    const rule = { patience: 2, minimumImprovement: 0 };
    expect(hasStopped([], rule)).toBe(false);
    expect(hasStopped(run(3, 2, 2.1), rule)).toBe(false);
    expect(hasStopped(run(3, 2, 2.1, 2), rule)).toBe(true);
    expect(hasStopped(run(3, 2, 2.1, 1.9), rule)).toBe(false);
  });

  it('measures improvement against the best loss, so that small steps add up', () => {
    const rule = { patience: 2, minimumImprovement: 0.1 };
    expect(hasStopped(run(2, 1.95, 1.89), rule)).toBe(false);
    expect(hasStopped(run(2, 1.95, 1.91), rule)).toBe(true);
  });

  it('counts NaN as no improvement', () => {
    expect(hasStopped(run(2, Number.NaN), { patience: 1, minimumImprovement: 0 })).toBe(true);
  });

  it('finds the best evaluation', () => {
    expect(bestOf(run(3, 1, 2, 1))).toEqual({ step: 200, loss: 1 });
    expect(bestOf([])).toBeUndefined();
  });
});
