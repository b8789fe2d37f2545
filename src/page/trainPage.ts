/** `espalier/train` in a page: training runs in a worker. */
import type { prepareTraining as prepare } from '../train/trainer.ts';
import { inWorker } from './inWorker.ts';

export type { Batch } from '../train/data/batches.ts';
export type { Dataset, WeightedText } from '../train/data/dataset.ts';
export type { CorpusOptions, CorpusProgress } from '../train/generateCorpus.ts';
export type { HeldOutLoss } from '../train/heldOutLoss.ts';
export type { LearnedWeight, Learner, Update } from '../train/learner.ts';
export type { LogLine } from '../train/log/logLine.ts';
export { describeRecipe } from '../train/recipe/describeRecipe.ts';
export { checkRecipe, type ReadRecipe, type RecipeInput, readRecipe } from '../train/recipe/readRecipe.ts';
export type { Recipe } from '../train/recipe/schema.ts';
export { sparkline } from '../train/sparkline.ts';
export type { CompileTrainingOptions, TrainableModel } from '../train/trainableModel.ts';
export type { RecipeSource } from '../train/trainer.ts';
export { DivergedError, ResumeError } from '../train/trainingError.ts';
export type { TrainingOptions, TrainingResult } from '../train/trainingRun.ts';

const functions = () => import('./trainFunctions.ts');

export const generateCorpus = inWorker('generateCorpus', functions);
export const train = inWorker('train', functions);

/** Runs on the thread that calls it: in a page, call it in a worker. */
export const prepareTraining: typeof prepare = async (source, options) =>
  (await import('../train/trainer.ts')).prepareTraining(source, options);
