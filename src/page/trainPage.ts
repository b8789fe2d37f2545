/** `espalier/train` in a page: training runs in a worker. */
import { inWorker } from './inWorker.ts';

export type { CorpusOptions, CorpusProgress } from '../train/generateCorpus.ts';
export type { LogLine } from '../train/log/logLine.ts';
export { describeRecipe } from '../train/recipe/describeRecipe.ts';
export { checkRecipe, type ReadRecipe, type RecipeInput, readRecipe } from '../train/recipe/readRecipe.ts';
export type { Recipe } from '../train/recipe/schema.ts';
export { sparkline } from '../train/sparkline.ts';
export type { RecipeSource } from '../train/trainer.ts';
export { DivergedError, ResumeError } from '../train/trainingError.ts';
export type { TrainingOptions, TrainingResult } from '../train/trainingRun.ts';

const functions = () => import('./trainFunctions.ts');

export const generateCorpus = inWorker('generateCorpus', functions);
export const train = inWorker('train', functions);
