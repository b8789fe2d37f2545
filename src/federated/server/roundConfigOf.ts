/** The settings of one round, made from those of the federation. */
import { learningRateAt } from '../../train/schedule.ts';
import { LOSS_BYTES } from '../client/compression.ts';
import type { Mechanism } from '../privacy/accountant.ts';
import { noiseMultiplierFor } from '../privacy/accountant.ts';
import { quantizedNorm } from '../privacy/quantize.ts';
import { checkRoundConfig, type RoundConfig } from '../round/roundConfig.ts';
import { LOSS_INTEGERS } from '../round/trainingLoss.ts';
import { type FederationSettings, neighboursOf } from './settings.ts';

/** Below this deviation of a client's noise, sums of discrete Gaussians differ from one (Kairouz et al. 2021: by e^−39 here). */
const LEAST_NOISE = 2;
const noises = new WeakMap<FederationSettings, Mechanism>();

/**
 * Noise of a round. Undefined without privacy. Its rate is always 1: the server and the members see who takes part, so there is no
 * privacy amplification by sampling to count.
 */
export function mechanismOf(settings: FederationSettings): Mechanism | undefined {
  const { privacy } = settings;
  if (!privacy) return undefined;
  const known = noises.get(settings);
  if (known) return known;
  const rounds = Math.ceil(settings.rounds / privacy.groups);
  const mechanism = {
    noiseMultiplier: privacy.noiseMultiplier ?? noiseMultiplierFor(privacy, rounds, 1),
    samplingRate: 1,
  };
  noises.set(settings, mechanism);
  return mechanism;
}

/** Maximum loss that a device can report, in nats per token: that of guessing among 8e13 tokens. */
const MAXIMUM_LOSS = 32;

/**
 * @param weights SHA-256 of the weights that the round starts from
 * @param kind 'evaluate': the update is one value, the loss of the weights on the device's texts
 * @throws {FederatedError} BAD_CONFIG
 */
export function roundConfigOf(
  settings: FederationSettings,
  number: number,
  parameters: number,
  weights: string,
  kind: 'train' | 'evaluate' = 'train',
): RoundConfig {
  if (kind === 'evaluate') return evaluationConfigOf(settings, number, weights);
  const { name, mode, cohort, minimumCohort, deadlines, training, weighting, asynchronous } = settings;
  const { model: _, lora: __, minimumLearningRate: ___, warmup: ____, ...task } = training;
  const hasLoss = reportsLoss(settings);
  return checkRoundConfig({
    id: `${name}-${number}`,
    mode,
    parameters: hasLoss && mode === 'secure' ? parameters + LOSS_INTEGERS : parameters,
    ...(hasLoss && { maximumLoss: MAXIMUM_LOSS }),
    ...(hasLoss && mode === 'visible' && { maximumBytes: 4 * parameters + 1 + LOSS_BYTES }),
    weights,
    cohort,
    minimumCohort,
    maximumExamples: maximumExamplesOf(settings),
    deadlines: inMilliseconds(deadlines),
    ...(mode === 'secure' && { secure: secureOf(settings, parameters) }),
    ...(asynchronous && { asynchronous }),
    task: { ...task, learningRate: learningRateOf(settings, number), kind, weighting, round: number },
  });
}

/** Members report their training loss, unless differential privacy excludes it: ε would not cover it. */
function reportsLoss({ privacy }: FederationSettings): boolean {
  return !privacy;
}

/** Clients that all count the same do not say how many examples they have: ε would not cover that. */
function maximumExamplesOf({ weighting, maximumExamples }: FederationSettings): number {
  return weighting === 'uniform' ? 1 : maximumExamples;
}

/** The clients' learning rate in a round. */
function learningRateOf({ training, rounds }: FederationSettings, number: number): number {
  const { learningRate, minimumLearningRate = learningRate, warmup } = training;
  // a schedule reaches its minimum at `steps`: in the last round
  return learningRateAt(number - 1, { learningRate, minimumLearningRate, warmup, steps: Math.max(1, rounds - 1) });
}

function evaluationConfigOf(settings: FederationSettings, number: number, weights: string): RoundConfig {
  const { name, mode, deadlines, weighting, minimumCohort } = settings;
  const cohort = settings.evaluation!.cohort ?? minimumCohort;
  const secure = {
    ...neighboursOf(settings, cohort),
    clip: MAXIMUM_LOSS,
    scale: 2 ** 30 / (cohort * MAXIMUM_LOSS),
    noise: 0,
  };
  return checkRoundConfig({
    id: `${name}-${number}`,
    mode,
    parameters: 1,
    weights,
    cohort,
    minimumCohort: Math.min(minimumCohort, cohort),
    maximumExamples: maximumExamplesOf(settings),
    deadlines: inMilliseconds(deadlines),
    ...(mode === 'secure' && { secure }),
    task: { kind: 'evaluate', weighting, round: number },
  });
}

function inMilliseconds(deadlines: FederationSettings['deadlines']): Record<string, number> {
  return Object.fromEntries(Object.entries(deadlines).map(([phase, seconds]) => [phase, Math.ceil(1000 * seconds)]));
}

function secureOf(settings: FederationSettings, parameters: number) {
  const { cohort, minimumCohort, secure, privacy } = settings;
  const mechanism = mechanismOf(settings);
  const { clip } = secure;
  // leaves room for the noise: a sixteenth of the range for sums, with noise a 1024th
  const scale = secure.scale ?? 2 ** (mechanism ? 21 : 27) / (cohort * clip);
  let noise = 0;
  if (mechanism && privacy?.noise === 'distributed') {
    // enough noise even if only the smallest cohort remains
    noise = (mechanism.noiseMultiplier * quantizedNorm({ clip, scale }, parameters)) / Math.sqrt(minimumCohort);
    noise = Math.max(noise, LEAST_NOISE);
  }
  return { ...neighboursOf(settings, cohort), clip, scale, noise };
}
