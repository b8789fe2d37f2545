import { normOf } from '../aggregation/update.ts';
import { discreteGaussian } from '../privacy/discreteGaussian.ts';
import { quantize } from '../privacy/quantize.ts';
import { secureRandom } from '../privacy/secureRandom.ts';
import type { RoundConfig } from '../round/roundConfig.ts';

/** Clips, weights and rounds an update, and adds this client's part of the noise. */
export function integersOf(update: Float32Array, config: RoundConfig, examples: number): Int32Array {
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
  if (noise === 0) return integers;
  const sample = discreteGaussian(noise, random);
  return integers.map((value) => value + sample());
}
