/** Combines the updates of a complete round into one. */
import { aggregationRules } from '../aggregation/index.ts';
import { discountStale } from '../aggregation/staleness.ts';
import { decodeUpdate, lossOf } from '../client/compression.ts';
import { discreteGaussian } from '../privacy/discreteGaussian.ts';
import { quantizedNorm } from '../privacy/quantize.ts';
import { secureRandom } from '../privacy/secureRandom.ts';
import type { RoundMachine } from '../round/protocol.ts';
import { Round } from '../round/round.ts';
import { clippedLoss, LOSS_INTEGERS, meanLossOf } from '../round/trainingLoss.ts';
import { unmask } from '../secure/unmask.ts';
import { mechanismOf } from './roundConfigOf.ts';
import type { FederationSettings } from './settings.ts';

export interface Combined {
  /** [parameters] the mean update. */
  readonly update: Float32Array;
  /** Mean training loss, weighted by examples as updates are, in nats per token. Undefined if members know none. */
  readonly trainingLoss?: number;
}

/** @throws {FederatedError} if the masks cannot be removed */
export async function combineRound(round: RoundMachine, settings: FederationSettings): Promise<Combined> {
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
    const update = discountStale(aggregationRules[rule]({ attackers }))(updates);
    return { update, trainingLoss: visibleLoss(round, weightOf) };
  }
  const sum = await unmask(round.secureSum);
  const { clip, scale } = config.secure!;
  const mechanism = mechanismOf(settings);
  if (mechanism && settings.privacy?.noise === 'central') {
    const deviation = mechanism.noiseMultiplier * quantizedNorm({ clip, scale }, config.parameters);
    const sample = discreteGaussian(deviation, secureRandom());
    for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] + sample()) | 0;
  }
  const weights = contributors.map(({ examples }) => weightOf(examples));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const meanOf = (integers: Int32Array) => {
    const mean = new Float32Array(integers.length);
    // Float32Array.from with a function takes 20 times as long
    for (let i = 0; i < mean.length; i++) mean[i] = integers[i] / scale / total;
    return mean;
  };
  if (config.maximumLoss === undefined) return { update: meanOf(sum) };
  return {
    update: meanOf(sum.subarray(0, -LOSS_INTEGERS)),
    trainingLoss: meanLossOf(sum.slice(-LOSS_INTEGERS), weights, config),
  };
}

/** Of the members that report one, if they are as many as a round needs: the report is public. */
function visibleLoss(
  { config, visibleUpdates }: RoundMachine,
  weightOf: (examples: number) => number,
): number | undefined {
  if (config.maximumLoss === undefined) return undefined;
  let [losses, weights, count] = [0, 0, 0];
  for (const { examples, body } of visibleUpdates) {
    const loss = lossOf(body);
    if (loss === undefined) continue;
    losses += weightOf(examples) * clippedLoss(loss, config);
    weights += weightOf(examples);
    count++;
  }
  return count > 0 && count >= config.minimumCohort ? losses / weights : undefined;
}
