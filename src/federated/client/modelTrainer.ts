/** Trains a model for a federation: opens it as the federation's settings say, and makes a client's trainer of it. */

import { OptionError } from '../../core/errors.ts';
import type { Dataset } from '../../train/data/dataset.ts';
import type { RecipeInput } from '../../train/recipe/readRecipe.ts';
import type { CompileTrainingOptions, TrainableModel } from '../../train/trainableModel.ts';
import { prepareTraining } from '../../train/trainer.ts';
import { canonicalHash } from '../canonicalHash.ts';
import { configHash, type RoundConfig } from '../round/roundConfig.ts';
import type { FederationSettings } from '../server/settings.ts';
import { trainLocally } from './localTraining.ts';
import { decodeOptimizer, encodeOptimizer, type KeptOptimizer } from './optimizerFile.ts';
import type { Trainer } from './participant.ts';
import type { TrainedUpdate } from './trainedUpdate.ts';

export type Training = FederationSettings['training'];

/**
 * Opens the model that a federation trains. All clients get the same starting weights, from the seed.
 * @param model path or URL of the base model; default: the one in the settings
 */
export function openTrainingModel(
  training: Training,
  options: CompileTrainingOptions & { readonly model?: string } = {},
): Promise<TrainableModel> {
  const { model = training.model, ...compile } = options;
  const { lora, sequence, batch, steps, learningRate, seed } = training;
  const recipe: RecipeInput = {
    name: 'federated adapter',
    model: { start: model },
    ...(lora && { lora }),
    // clients open texts of their own
    data: { sources: [{ path: 'none' }], sequence, batch },
    steps,
    optimizer: { learningRate, minimumLearningRate: learningRate, warmup: 0, weightDecay: 0 },
    evaluation: {},
    seed,
  };
  return prepareTraining(recipe, compile);
}

/** Keeps a client's optimizer over restarts. It never leaves the device. */
export interface OptimizerStore {
  load(): Promise<Uint8Array | undefined>;
  save(bytes: Uint8Array): Promise<void>;
}

export interface ModelTrainerOptions {
  /** Default: none, so the first round after a restart has a fresh optimizer. */
  readonly optimizerStore?: OptimizerStore;
  /** Settings of the federation: a stored optimizer of another one is not used. */
  readonly settings?: FederationSettings;
}

/** A trainer that knows the loss. */
export interface ModelTrainer extends Trainer {
  train(weights: Float32Array, config: RoundConfig, signal?: AbortSignal): Promise<TrainedUpdate>;
}

/** Stands for the settings if none are given. */
const NO_SETTINGS = '0'.repeat(64);

/**
 * Makes a client's trainer. Between rounds it keeps the moments of AdamW, unless the federation says otherwise: with fresh ones in
 * every round, training needs more rounds.
 * @param data opened with `model.openData`
 */
export function modelTrainer(
  model: TrainableModel,
  data: Dataset,
  { optimizerStore, settings }: ModelTrainerOptions = {},
): ModelTrainer {
  const federation = settings ? canonicalHash(settings) : NO_SETTINGS;
  let kept: KeptOptimizer | undefined;
  let isLoaded = false;
  return {
    examples: data.tokens,
    parameters: model.parameters,
    async train(weights, config, signal) {
      const { task } = config;
      const round = configHash(config);
      const keepsOptimizer = task.keepOptimizer === true;
      if (keepsOptimizer && !isLoaded) {
        const bytes = await optimizerStore?.load();
        kept = bytes && decodeOptimizer(bytes, model.parameters);
        if (kept?.federation !== federation) kept = undefined;
        isLoaded = true;
      }
      // the same round again: the client was stopped before it stored its update
      const before = kept?.round === round ? kept.before : kept?.after;
      const result = await trainLocally(model, data, weights, {
        steps: positive(task.steps, 'steps'),
        learningRate: positive(task.learningRate, 'learningRate'),
        proximal: Number(task.proximal ?? 0),
        from: (Number(task.round ?? 1) - 1) * positive(task.steps, 'steps'),
        optimizer: keepsOptimizer ? before : undefined,
        signal,
      });
      if (keepsOptimizer) {
        kept = { federation, round, before, after: result.optimizer };
        await optimizerStore?.save(encodeOptimizer(kept));
      }
      return { update: result.update, loss: result.loss };
    },
    async evaluate(weights, _, signal) {
      await model.writeWeights(weights);
      return (await model.heldOutLoss(data, signal)).loss;
    },
  };
}

function positive(value: unknown, name: string): number {
  if (typeof value === 'number' && value > 0) return value;
  throw new OptionError(`task.${name}`, value, 'a positive number');
}
