/**
 * Adapts shared weights to the texts of one device. How far they move is decided on texts that the device holds out from training, so that a
 * device with few texts does not make its model worse. They can be mixed with weights that the device trained alone, as in APFL
 * (Deng et al. 2020), and at last trained as far on all texts: the held-out ones are the last, and so the most like those that come next.
 * Nothing leaves the device.
 */
import type { Dataset } from '../../train/data/dataset.ts';
import { learningRateAt } from '../../train/schedule.ts';
import type { TrainableModel } from '../../train/trainableModel.ts';

export interface PersonalOptions {
  /** Maximum number of updates. Default: 64. */
  readonly steps?: number;
  /** At the start; it falls along half a cosine. */
  readonly learningRate: number;
  /** Number of the first batch. Default: 0. */
  readonly from?: number;
  /** [parameters] weights before the federation, from which the device also trains alone. Default: it does not. */
  readonly start?: Float32Array;
  /** The same texts with nothing held out. Default: the weights are not trained again. */
  readonly whole?: Dataset;
  readonly signal?: AbortSignal;
}

export interface PersonalResult {
  /**
   * [parameters] the weights that are best on the held-out texts: the shared ones if training did not help. With `whole`, weights that
   * were trained for as many passes over all texts, unless training did not help.
   */
  readonly weights: Float32Array;
  /** Number of updates that were made from the shared weights. */
  readonly steps: number;
  /** How far they lie on the way from the shared weights (0) to the trained ones (1). */
  readonly share: number;
  /** Share of the weights that the device trained alone. */
  readonly alone: number;
  /** Held-out loss of the shared weights and of the best ones, in nats per token. */
  readonly sharedLoss: number;
  readonly loss: number;
}

/** Evaluations on the way. */
const STOPS = 8;
const SHARES = [0.5, 1];
const MIXTURES = [0.25, 0.5, 0.75, 1];

/** @param data needs held-out texts, see `data.heldOut` of a recipe */
export async function personalize(
  model: TrainableModel,
  data: Dataset,
  shared: Float32Array,
  options: PersonalOptions,
): Promise<PersonalResult> {
  const lossOf = async (weights: Float32Array) => {
    await model.writeWeights(weights);
    return (await model.heldOutLoss(data, options.signal)).loss;
  };
  const sharedLoss = await lossOf(shared);
  const own = await adapt(model, data, shared, options, lossOf);
  let { weights, loss } = own;
  let alone = 0;
  if (options.start) {
    const other = await adapt(model, data, options.start, options, lossOf);
    for (const mixture of MIXTURES) {
      const mixed = await lossOf(between(own.chosen, other.chosen, mixture));
      if (mixed >= loss) continue;
      [loss, alone] = [mixed, mixture];
      weights = between(own.weights, other.weights, mixture);
    }
  }
  await model.writeWeights(weights);
  return { weights, steps: own.steps, share: own.share, alone, sharedLoss, loss };
}

interface Adapted {
  /** Best on the held-out texts. */
  readonly chosen: Float32Array;
  /** The same after as many passes over all texts. */
  readonly weights: Float32Array;
  readonly steps: number;
  readonly share: number;
  readonly loss: number;
}

async function adapt(
  model: TrainableModel,
  data: Dataset,
  start: Float32Array,
  { steps = 64, learningRate, from = 0, whole, signal }: PersonalOptions,
  lossOf: (weights: Float32Array) => Promise<number>,
): Promise<Adapted> {
  const every = Math.max(1, Math.round(steps / STOPS));
  let best: Adapted = { chosen: start, weights: start, steps: 0, share: 0, loss: await lossOf(start) };
  const judge = async (step: number) => {
    if (step % every !== 0 && step !== steps) return;
    const trained = await model.readWeights();
    for (const share of SHARES) {
      const weights = between(start, trained, share);
      const loss = await lossOf(weights);
      if (loss < best.loss) best = { chosen: weights, weights, steps: step, share, loss };
    }
    await model.writeWeights(trained);
  };
  await trainFrom(start, model, data, { total: steps, steps, learningRate, from, signal }, judge);
  if (!whole || best.steps === 0) return best;
  const passes = (count: number) => Math.round((count * whole.tokens) / data.tokens);
  await trainFrom(start, model, whole, {
    ...{ total: passes(steps), steps: passes(best.steps), learningRate, from, signal },
  });
  return { ...best, weights: between(start, await model.readWeights(), best.share) };
}

interface TrainOptions extends Required<Pick<PersonalOptions, 'steps' | 'learningRate' | 'from'>> {
  /** Number of updates after which the learning rate would be least. */
  readonly total: number;
  readonly signal?: AbortSignal;
}

async function trainFrom(
  weights: Float32Array,
  model: TrainableModel,
  data: Dataset,
  { total, steps, learningRate, from, signal }: TrainOptions,
  onStep?: (step: number) => Promise<void>,
): Promise<void> {
  const schedule = { learningRate, minimumLearningRate: learningRate / 10, warmup: 0, steps: total };
  await model.writeWeights(weights);
  await model.resetOptimizer();
  for (let step = 0; step < steps; step++) {
    await model.learner.update([await data.batch(from + step)], step, learningRateAt(step, schedule), signal);
    await onStep?.(step + 1);
  }
}

const between = (from: Float32Array, to: Float32Array, share: number): Float32Array =>
  from.map((value, i) => value + share * (to[i] - value));
