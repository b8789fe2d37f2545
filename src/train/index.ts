/** Entry point `espalier/train`. It is separate from the main entry so that pages that only run models do not load it. */

export type { StateTensor } from './checkpoint/trainingCheckpoint.ts';
export type { Batch, EvaluationBatches } from './data/batches.ts';
export type { Dataset, HeldOutText, WeightedText } from './data/dataset.ts';
export type { TextSource } from './data/tokenize.ts';
export type { Evaluation } from './earlyStopping.ts';
export { type CorpusOptions, type CorpusProgress, generateCorpus } from './generateCorpus.ts';
export type { HeldOutLoss } from './heldOutLoss.ts';
export type { LearnedWeight, Learner, LearnerOptions, Moments, Update } from './learner.ts';
export type { LogLine } from './log/logLine.ts';
export { describeRecipe } from './recipe/describeRecipe.ts';
export { checkRecipe, type ReadRecipe, type RecipeInput, readRecipe } from './recipe/readRecipe.ts';
export type { Recipe } from './recipe/schema.ts';
export type { WriteSample } from './samples.ts';
export { sparkline } from './sparkline.ts';
export type { StartingPoint } from './startingPoint.ts';
export type { Teacher, TeachingStep } from './teacher.ts';
export type { CompileTrainingOptions, OpenDataOptions, TrainableModel } from './trainableModel.ts';
export { prepareTraining, type RecipeSource, train } from './trainer.ts';
export { DivergedError, ResumeError } from './trainingError.ts';
export type { TrainingOptions, TrainingResult } from './trainingRun.ts';
