/**
 * Samples the discrete Gaussian (Canonne, Kamath, Steinke 2020, algorithm 3). Noise on integers has no floating-point
 * artefacts that would reveal the value beneath it (Mironov 2012). Coins have a resolution of 2⁻⁵³.
 */
import { OptionError } from '../../core/errors.ts';
import type { Uniform } from './secureRandom.ts';

/** @param deviation parameter σ, close to the standard deviation @returns a function that samples an integer */
export function discreteGaussian(deviation: number, random: Uniform): () => number {
  if (!(deviation > 0 && deviation < 2 ** 30))
    throw new OptionError('noise deviation', deviation, 'above 0 and below 2^30');
  const t = Math.floor(deviation) + 1;
  const variance = deviation * deviation;
  const coin = (probability: number) => random.uniform() < probability;
  const laplace = (): number => {
    while (true) {
      const rest = Math.floor(random.uniform() * t);
      if (!coin(Math.exp(-rest / t))) continue;
      let whole = 0;
      while (coin(Math.exp(-1))) whole++;
      const size = rest + t * whole;
      const isNegative = coin(0.5);
      if (isNegative && size === 0) continue;
      return isNegative ? -size : size;
    }
  };
  return () => {
    while (true) {
      const value = laplace();
      if (coin(Math.exp(-((Math.abs(value) - variance / t) ** 2) / (2 * variance)))) return value;
    }
  };
}
