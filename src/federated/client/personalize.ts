/**
 * Adapts shared weights to the texts of one device. How far they move from the shared ones is decided on texts that the device holds out from
 * training, so that a device with few texts does not make its model worse. Nothing leaves the device.
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
  readonly signal?: AbortSignal;
}

export interface PersonalResult {
  /** [parameters] the weights that are best on the held-out texts: the shared ones if training did not help. */
  readonly weights: Float32Array;
  /** Number of updates that were made for them. */
  readonly steps: number;
  /** How far they lie on the way from the shared weights (0) to the trained ones (1). */
  readonly share: number;
  /** Held-out loss of the shared weights, and of `weights`, in nats per token. */
  readonly sharedLoss: number;
  readonly loss: number;
}

/** Evaluations on the way. */
const STOPS = 8;
const SHARES = [0.5, 1];

/** @param data needs held-out texts, see `data.heldOut` of a recipe */
export async function personalize(
  model: TrainableModel,
  data: Dataset,
  shared: Float32Array,
  { steps = 64, learningRate, from = 0, signal }: PersonalOptions,
): Promise<PersonalResult> {
  const lossOf = async (weights: Float32Array) => {
    await model.writeWeights(weights);
    return (await model.heldOutLoss(data, signal)).loss;
  };
  const schedule = { learningRate, minimumLearningRate: learningRate / 10, warmup: 0, steps };
  const every = Math.max(1, Math.round(steps / STOPS));
  const sharedLoss = await lossOf(shared);
  let best: PersonalResult = { weights: shared, steps: 0, share: 0, sharedLoss, loss: sharedLoss };
  await model.writeWeights(shared);
  await model.resetOptimizer();
  for (let step = 0; step < steps; step++) {
    await model.learner.update([await data.batch(from + step)], step, learningRateAt(step, schedule), signal);
    if ((step + 1) % every !== 0 && step + 1 !== steps) continue;
    const trained = await model.readWeights();
    for (const share of SHARES) {
      const weights = shared.map((value, i) => value + share * (trained[i] - value));
      const loss = await lossOf(weights);
      if (loss < best.loss) best = { weights, steps: step + 1, share, sharedLoss, loss };
    }
    await model.writeWeights(trained);
  }
  await model.writeWeights(best.weights);
  return best;
}
