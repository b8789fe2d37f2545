/** The accountants against values that papers and tutorials print. */
import { describe, expect, it } from 'vitest';
import { Accountant, integerOrders } from './accountant.ts';
import { LossDistributionAccountant } from './lossDistribution.ts';

/** ε by the conversion of Mironov (2017), which the publications used: min over orders of D + log(1/δ) / (order − 1). */
function epsilonOf2017(noiseMultiplier: number, samplingRate: number, rounds: number, delta: number): number {
  const epsilons = integerOrders.map((order) => {
    const epsilon = new Accountant([order]).add({ noiseMultiplier, samplingRate }, rounds).epsilon(delta);
    const divergence = epsilon + (Math.log(delta) + Math.log(order)) / (order - 1) - Math.log1p(-1 / order);
    return divergence - Math.log(delta) / (order - 1);
  });
  return Math.min(...epsilons);
}

describe('published values', () => {
  it.each([
    // Abadi et al. 2016, section 3.2: q = 0.01, σ = 4, T = 10,000, δ = 1e-5
    { epsilon: 1.26, noise: 4, rate: 0.01, rounds: 10_000 },
    // TensorFlow Privacy's tutorial of classification: batches of 250 of 60,000, 15 epochs
    { epsilon: 1.18, noise: 1.3, rate: 250 / 60_000, rounds: 3600 },
  ])('ε $epsilon: noise $noise, rate $rate, $rounds rounds, δ 1e-5', ({ epsilon, noise, rate, rounds }) => {
    expect(Math.abs(epsilonOf2017(noise, rate, rounds, 1e-5) / epsilon - 1)).toBeLessThan(0.01);
    const mechanism = { noiseMultiplier: noise, samplingRate: rate };
    // later conversions prove less
    expect(new Accountant().add(mechanism, rounds).epsilon(1e-5)).toBeLessThan(epsilon);
    expect(new LossDistributionAccountant().add(mechanism, rounds).epsilon(1e-5)).toBeLessThan(epsilon);
  });

  it.each([
    [1, 1],
    [2, 4],
  ])('the Gaussian mechanism of Balle and Wang (2018), theorem 8: noise %d, %d rounds', (noiseMultiplier, rounds) => {
    // δ = Φ(1/2 − ε) − e^ε Φ(−1/2 − ε) at ε = 1
    const delta = 0.12693673750664397;
    const spent = new LossDistributionAccountant().add({ noiseMultiplier, samplingRate: 1 }, rounds);
    expect(Math.abs(spent.epsilon(delta) - 1)).toBeLessThan(1e-3);
  });
});
