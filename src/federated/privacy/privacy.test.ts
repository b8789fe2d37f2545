/** Privacy: epsilons equal to other accountants', noise with the right distribution, rounding without bias and within its bound. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { OptionError } from '../../core/errors.ts';
import { seededRandom } from '../../core/random.ts';
import { normOf } from '../aggregation/update.ts';
import { FederatedError } from '../federatedError.ts';
import { Accountant, allOrders, integerOrders, noiseMultiplierFor } from './accountant.ts';
import { PrivacyBudget } from './budget.ts';
import { discreteGaussian } from './discreteGaussian.ts';
import { LossDistributionAccountant } from './lossDistribution.ts';
import { quantize, quantizedNorm } from './quantize.ts';
import { secureRandom } from './secureRandom.ts';

interface Case {
  readonly noise: number;
  readonly rate: number;
  readonly rounds: number;
  readonly delta: number;
  readonly dpAccounting: number;
  readonly opacus: number;
  /** ε from privacy loss distributions, by dp-accounting. */
  readonly pld: number;
}
const golden = new URL('../../../test/goldens/privacy/accountant.json', import.meta.url);
const { cases } = JSON.parse(readFileSync(golden, 'utf8')) as { readonly cases: readonly Case[] };

describe('the accountant', () => {
  it.each(cases)('agrees with dp-accounting and opacus: noise $noise, rate $rate, $rounds rounds, δ $delta', (one) => {
    const mechanism = { noiseMultiplier: one.noise, samplingRate: one.rate };
    const epsilon = new Accountant(allOrders).add(mechanism, one.rounds).epsilon(one.delta);
    // dp-accounting leaves out orders whose series it does not finish, so its ε may be larger
    expect(Math.abs(epsilon / Math.min(one.dpAccounting, one.opacus) - 1)).toBeLessThan(0.01);
    expect(epsilon).toBeGreaterThan(one.pld);
    const discrete = new Accountant(integerOrders).add(mechanism, one.rounds).epsilon(one.delta);
    expect(discrete).toBeGreaterThan(0.9999 * epsilon);
  });

  it.each(cases)(
    'from loss distributions agrees with dp-accounting: noise $noise, rate $rate, $rounds rounds, δ $delta',
    (one) => {
      const mechanism = { noiseMultiplier: one.noise, samplingRate: one.rate };
      const epsilon = new LossDistributionAccountant().add(mechanism, one.rounds).epsilon(one.delta);
      expect(Math.abs(epsilon / one.pld - 1)).toBeLessThan(0.01);
    },
  );

  it('from loss distributions adds rounds of different kinds, in any order and division', () => {
    const [first, second] = [
      { noiseMultiplier: 1, samplingRate: 0.1 },
      { noiseMultiplier: 2, samplingRate: 1 },
    ];
    const together = new LossDistributionAccountant().add(first, 10).add(second, 5).epsilon(1e-5);
    const apart = new LossDistributionAccountant().add(second, 2).add(first, 10).add(second, 3).epsilon(1e-5);
    expect(apart / together).toBeCloseTo(1, 6);
    expect(together).toBeLessThan(new Accountant(allOrders).add(first, 10).add(second, 5).epsilon(1e-5));
    expect(together).toBeGreaterThan(new LossDistributionAccountant().add(second, 5).epsilon(1e-5));
    expect(new LossDistributionAccountant().epsilon(1e-5)).toBe(0);
  });

  it('from loss distributions stays within a few megabytes when there is hardly any noise', () => {
    const tiny = new LossDistributionAccountant().add({ noiseMultiplier: 0.01, samplingRate: 0.5 }, 100);
    const epsilon = tiny.epsilon(1e-5);
    expect(epsilon).toBeGreaterThan(1e5);
    const huge = new LossDistributionAccountant().add({ noiseMultiplier: 1e6, samplingRate: 0.5 }, 100);
    expect(huge.epsilon(1e-5)).toBeLessThan(1e-4);
  });

  it('adds rounds of different kinds', () => {
    const both = new Accountant().add({ noiseMultiplier: 1, samplingRate: 0.1 }, 10);
    const one = both.epsilon(1e-5);
    both.add({ noiseMultiplier: 2, samplingRate: 1 }, 5);
    expect(both.epsilon(1e-5)).toBeGreaterThan(one);
    expect(new Accountant().epsilon(1e-5)).toBe(0);
  });

  it('finds the noise for a budget', () => {
    const noiseMultiplier = noiseMultiplierFor({ epsilon: 8, delta: 1e-5 }, 60, 0.2);
    const epsilonOf = (noise: number) =>
      new Accountant().add({ noiseMultiplier: noise, samplingRate: 0.2 }, 60).epsilon(1e-5);
    expect(epsilonOf(noiseMultiplier)).toBeLessThanOrEqual(8);
    expect(epsilonOf(noiseMultiplier * 0.99)).toBeGreaterThan(8);
  });

  it('refuses mechanisms and deltas that mean nothing', () => {
    for (const make of [() => new Accountant(), () => new LossDistributionAccountant()]) {
      for (const mechanism of [
        { noiseMultiplier: 0, samplingRate: 0.5 },
        { noiseMultiplier: Number.NaN, samplingRate: 0.5 },
        { noiseMultiplier: 1, samplingRate: 1.5 },
      ])
        expect(() => make().add(mechanism)).toThrow(OptionError);
      expect(() => make().epsilon(0)).toThrow(OptionError);
    }
  });

  it('stops training before the round that exceeds the budget', () => {
    const budget = new PrivacyBudget({ epsilon: 3, delta: 1e-5 });
    const round = { noiseMultiplier: 1, samplingRate: 0.1 };
    let error: unknown;
    while (!error)
      try {
        budget.spend(round);
      } catch (thrown) {
        error = thrown;
      }
    expect(error).toMatchObject({ code: 'BUDGET_SPENT' });
    expect(budget.epsilon).toBeLessThanOrEqual(3);
    expect(new Accountant().add(round, budget.rounds + 1).epsilon(1e-5)).toBeGreaterThan(3);
  });
});

describe('discrete Gaussian noise', () => {
  it.each([0.5, 1, 3.7, 100])('has the probabilities of its definition at σ = %d', (deviation) => {
    const sample = discreteGaussian(deviation, seededRandom(3));
    const count = 100_000;
    const found = new Map<number, number>();
    let sum = 0;
    let squares = 0;
    for (let i = 0; i < count; i++) {
      const value = sample();
      found.set(value, (found.get(value) ?? 0) + 1);
      sum += value;
      squares += value * value;
    }
    const reach = Math.ceil(12 * deviation);
    const density = (x: number) => Math.exp(-(x * x) / (2 * deviation * deviation));
    let total = 0;
    let variance = 0;
    for (let x = -reach; x <= reach; x++) {
      total += density(x);
      variance += x * x * density(x);
    }
    variance /= total;
    // five standard errors
    expect(Math.abs(sum / count)).toBeLessThan(5 * Math.sqrt(variance / count));
    expect(Math.abs(squares / count / variance - 1)).toBeLessThan(5 * Math.sqrt(2 / count) + 0.01);
    for (let x = -3; x <= 3; x++) {
      const expected = density(x) / total;
      expect(Math.abs((found.get(x) ?? 0) / count - expected)).toBeLessThan(5 * Math.sqrt(expected / count));
    }
  });
});

describe('rounding to integers', () => {
  it('is unbiased, and clips to the norm', () => {
    const values = Float32Array.of(0.3, -0.7, 1.2, 0);
    const random = secureRandom();
    const sums = new Float64Array(4);
    for (let i = 0; i < 20_000; i++)
      quantize(values, { clip: 10, scale: 3 }, random).integers.forEach((x, at) => {
        sums[at] += x;
      });
    for (const [i, value] of values.entries()) expect(sums[i] / 20_000 / 3).toBeCloseTo(value, 1);
    const { integers, norm } = quantize(
      values.map((value) => 100 * value),
      { clip: 1, scale: 1000 },
      random,
    );
    expect(norm).toBeCloseTo(100 * normOf(values), 3);
    expect(normOf(Float32Array.from(integers))).toBeCloseTo(1000, -1);
  });

  it('never exceeds the norm that one client may change', () => {
    const random = seededRandom(1);
    for (const parameters of [1, 10, 1000]) {
      for (const scale of [0.5, 10, 1e4]) {
        const values = Float32Array.from({ length: parameters }, () => random.normal());
        const { integers } = quantize(values, { clip: 1, scale }, random);
        expect(normOf(Float32Array.from(integers))).toBeLessThanOrEqual(
          quantizedNorm({ clip: 1, scale }, parameters) + 1e-3,
        );
      }
    }
  });

  it('refuses NaN and infinite values', () => {
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY])
      expect(() => quantize(Float32Array.of(1, value), { clip: 1, scale: 1 }, secureRandom())).toThrow(FederatedError);
  });
});
