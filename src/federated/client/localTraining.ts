/** A client's training: a few steps on its own texts, from the weights of the round. */
import type { Dataset } from '../../train/data/dataset.ts';
import type { Moments } from '../../train/learner.ts';
import type { TrainableModel } from '../../train/trainableModel.ts';
import { DivergedError } from '../../train/trainingError.ts';

/** A client's optimizer between two rounds. */
export interface ClientOptimizer {
  /** Number of updates so far. */
  readonly steps: number;
  readonly moments: Moments;
}

export interface LocalTrainingOptions {
  /** Number of updates per round. */
  readonly steps: number;
  readonly learningRate: number;
  /** Strength μ of the pull towards the round's weights (FedProx, Li et al. 2020), as a proximal step after each update. Default: 0. */
  readonly proximal?: number;
  /** Number of the first batch. Default: 0. A later round uses other batches. */
  readonly from?: number;
  /** State to continue from, of this client's last round. Default: a fresh optimizer. */
  readonly optimizer?: ClientOptimizer;
  readonly signal?: AbortSignal;
}

export interface LocalResult {
  /** [parameters] new weights minus old weights. */
  readonly update: Float32Array;
  /** Mean training loss before each update, in nats per token. */
  readonly loss: number;
  /** Tokens that were trained on. */
  readonly tokens: number;
  /** For the client's next round. */
  readonly optimizer: ClientOptimizer;
}

/** Trains from the given weights. The model's weights are then those of the client. */
export async function trainLocally(
  model: TrainableModel,
  data: Dataset,
  weights: Float32Array,
  { steps, learningRate, proximal = 0, from = 0, optimizer, signal }: LocalTrainingOptions,
): Promise<LocalResult> {
  await model.writeWeights(weights);
  if (optimizer) await model.learner.writeMoments(optimizer.moments);
  else await model.resetOptimizer();
  const before = optimizer?.steps ?? 0;
  const { accumulation } = model.recipe.data;
  let loss = 0;
  let tokens = 0;
  for (let step = 0; step < steps; step++) {
    const batches = [];
    for (let i = 0; i < accumulation; i++) batches.push(await data.batch((from + step) * accumulation + i));
    const done = await model.learner.update(batches, before + step, learningRate, signal);
    if (!Number.isFinite(done.loss) || !Number.isFinite(done.gradientNorm))
      throw new DivergedError(step + 1, done, learningRate);
    loss += done.loss;
    tokens += batches.reduce((sum, { learned }) => sum + learned, 0);
    if (proximal > 0) await pullBack(model, weights, learningRate * proximal);
  }
  const trained = await model.readWeights();
  return {
    update: trained.map((value, i) => value - weights[i]),
    loss: loss / steps,
    tokens,
    optimizer: { steps: before + steps, moments: await model.learner.readMoments() },
  };
}

/** The proximal operator of strength/2 · |w − w₀|². */
async function pullBack(model: TrainableModel, start: Float32Array, strength: number): Promise<void> {
  const current = await model.readWeights();
  await model.writeWeights(current.map((value, i) => (value + strength * start[i]) / (1 + strength)));
}
