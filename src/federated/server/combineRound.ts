/** Combines the updates of a complete round into one. */
import { aggregationRules } from '../aggregation/index.ts';
import { discountStale } from '../aggregation/staleness.ts';
import { decodeUpdate } from '../client/compression.ts';
import { discreteGaussian } from '../privacy/discreteGaussian.ts';
import { quantizedNorm } from '../privacy/quantize.ts';
import { secureRandom } from '../privacy/secureRandom.ts';
import type { RoundMachine } from '../round/protocol.ts';
import { Round } from '../round/round.ts';
import { unmask } from '../secure/unmask.ts';
import { mechanismOf } from './roundConfigOf.ts';
import type { FederationSettings } from './settings.ts';

/** @returns the mean update [parameters] @throws {FederatedError} if the masks cannot be removed */
export async function combineRound(round: RoundMachine, settings: FederationSettings): Promise<Float32Array> {
  const { config, contributors } = round;
  const weightOf = (examples: number) => (settings.weighting === 'uniform' ? 1 : examples / config.maximumExamples);
  if (!(round instanceof Round) || config.mode === 'visible') {
    const { rule, attackers } = settings.robust ?? { rule: 'mean', attackers: 0 };
    const updates = round.visibleUpdates.map(({ client, examples, staleness = 0, body }) => ({
      client,
      staleness,
      weight: weightOf(examples),
      values: decodeUpdate(body, config.parameters),
    }));
    return discountStale(aggregationRules[rule]({ attackers }))(updates);
  }
  const sum = await unmask(round.secureSum);
  const { clip, scale } = config.secure!;
  const mechanism = mechanismOf(settings);
  if (mechanism && settings.privacy?.noise === 'central') {
    const deviation = mechanism.noiseMultiplier * quantizedNorm({ clip, scale }, config.parameters);
    const sample = discreteGaussian(deviation, secureRandom());
    for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] + sample()) | 0;
  }
  const total = contributors.reduce((weight, { examples }) => weight + weightOf(examples), 0);
  return Float32Array.from(sum, (value) => value / scale / total);
}
