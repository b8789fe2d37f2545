import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../core/random.ts';
import { alwaysDefers, type CascadeSample, defers, fitCascade } from './cascadeRule.ts';
import { calibrationError, fitIsotonic, isotonicAt } from './isotonic.ts';

describe('isotonic regression', () => {
  it('pools neighbours that are out of order', () => {
    // as scikit-learn's IsotonicRegression(increasing=False)
    const steps = fitIsotonic([1, 2, 3, 4, 5, 6], [1, 0, 1, 0, 0, 0]);
    expect([1, 2, 3, 4, 5, 6].map((score) => isotonicAt(steps, score))).toEqual([1, 0.5, 0.5, 0, 0, 0]);
    expect(isotonicAt(steps, -9)).toBe(1);
    expect(isotonicAt(steps, 2.5)).toBe(0.5);
  });

  it('never rises, and keeps the mean', () => {
    const points = fc.array(fc.tuple(fc.integer({ min: 0, max: 20 }), fc.integer({ min: 0, max: 1 })), {
      minLength: 1,
    });
    fc.assert(
      fc.property(points, (pairs) => {
        const scores = pairs.map(([score]) => score);
        const events = pairs.map(([, event]) => event);
        const steps = fitIsotonic(scores, events);
        for (let i = 1; i < steps.length; i++) {
          expect(steps[i].probability).toBeLessThan(steps[i - 1].probability);
          expect(steps[i].from).toBeGreaterThan(steps[i - 1].from);
        }
        const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
        expect(sum(scores.map((score) => isotonicAt(steps, score)))).toBeCloseTo(sum(events), 9);
      }),
    );
  });

  it('is calibrated on what it has not seen', () => {
    const random = seededRandom(5);
    const draw = () => {
      const score = random.uniform();
      return { score, event: random.uniform() < (1 - score) ** 2 ? 1 : 0 };
    };
    const [seen, unseen] = [1500, 1500].map((count) => Array.from({ length: count }, draw));
    const steps = fitIsotonic(
      seen.map(({ score }) => score),
      seen.map(({ event }) => event),
    );
    const predicted = unseen.map(({ score }) => isotonicAt(steps, score));
    expect(
      calibrationError(
        predicted,
        unseen.map(({ event }) => event),
      ),
    ).toBeLessThan(0.05);
  });
});

describe('a cascade', () => {
  /** Answers of which the small model's are worse where its margins are small. */
  function samples(count: number, seed: number): CascadeSample[] {
    const random = seededRandom(seed);
    return Array.from({ length: count }, () => {
      const ease = random.uniform();
      const margins = Array.from({ length: 20 }, () => 4 * ease * random.uniform() + 0.2 * random.uniform());
      const large = 0.6 + 0.1 * random.uniform();
      return { margins, large, small: ease > 0.4 ? large + 0.01 : large - 0.2 * (0.4 - ease) };
    });
  }

  it('defers what the small model is unsure of, and loses no more than promised', () => {
    const rule = fitCascade(samples(1600, 1), { risk: 0.01, delta: 0.05 });
    expect(rule.calibrationError).toBeLessThan(0.1);
    const others = samples(2000, 2);
    const kept = others.filter(({ margins }) => !defers(rule, margins));
    expect(kept.length / others.length).toBeGreaterThan(0.5);
    const quality = others.reduce((sum, { large }) => sum + large, 0);
    const lost = kept.reduce((sum, { small, large }) => sum + Math.max(0, large - small), 0);
    expect(lost / quality).toBeLessThan(0.01);
  });

  it('always defers where no threshold keeps the promise, and says how many prompts it takes', () => {
    const bad = samples(1600, 3).map((sample) => ({ ...sample, small: 0.1 }));
    const rule = fitCascade(bad, { risk: 0.01 });
    expect(bad.every(({ margins }) => defers(rule, margins))).toBe(true);
    expect(alwaysDefers(rule)).toBe(true);
    expect(() => fitCascade(samples(100, 4), { risk: 0.01 })).toThrow(/prompts is 100, expected at least 604/);
    expect(() => fitCascade(samples(700, 4), { tokens: 0 })).toThrow(/tokens is 0/);
    const broken = samples(700, 4).map((sample, i) => (i === 9 ? { ...sample, large: Number.NaN } : sample));
    expect(() => fitCascade(broken)).toThrow(/quality of an answer is NaN, expected from 0 to 1/);
    expect(defers(rule, [])).toBe(true);
  });
});
