import { normOf } from '../aggregation/update.ts';
import { discreteGaussian } from '../privacy/discreteGaussian.ts';
import { quantize } from '../privacy/quantize.ts';
import { secureRandom } from '../privacy/secureRandom.ts';
import type { RoundConfig } from '../round/roundConfig.ts';
import { LOSS_INTEGERS, lossIntegers } from '../round/trainingLoss.ts';

/**
 * Clips, weights and rounds an update, and adds this client's part of the noise. Where members report their training loss, its integers
 * follow.
 */
export function integersOf(update: Float32Array, config: RoundConfig, examples: number, loss?: number): Int32Array {
  const { clip, scale, noise } = config.secure!;
  const random = secureRandom();
  const weight = config.task.weighting === 'uniform' ? 1 : examples / config.maximumExamples;
  const norm = normOf(update);
  const factor = weight * Math.min(1, norm > 0 ? clip / norm : 1);
  const { integers } = quantize(
    update.map((value) => factor * value),
    { clip, scale },
    random,
  );
  if (noise > 0) {
    const sample = discreteGaussian(noise, random);
    for (let i = 0; i < integers.length; i++) integers[i] += sample();
  }
  if (config.maximumLoss !== undefined) {
    const all = new Int32Array(integers.length + LOSS_INTEGERS);
    all.set(integers);
    all.set(lossIntegers(loss, weight, config, random), integers.length);
    return all;
  }
  return integers;
}
