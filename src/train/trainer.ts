/** Training from a recipe: opens and compiles everything that a run needs. */
import { checkpointFolder } from '#leaf/train/checkpoint/folder';
import { OptionError } from '../core/errors.ts';
import type { OnProgress } from '../core/progress.ts';
import type { CheckpointFolder } from './checkpoint/checkpointFolder.ts';
import { checkpointSteps, lastCheckpoint } from './checkpoint/checkpoints.ts';
import type { TrainingCheckpoint } from './checkpoint/trainingCheckpoint.ts';
import { recipeDataset } from './fromRecipe.ts';
import { openLog } from './log/trainingLog.ts';
import { recipeDifferences } from './recipe/differences.ts';
import { checkRecipe, type ReadRecipe, type RecipeInput, readRecipe } from './recipe/readRecipe.ts';
import type { Recipe } from './recipe/schema.ts';
import { checkOutputFormat } from './result.ts';
import { startingPoint } from './startingPoint.ts';
import { type CompileTrainingOptions, TrainableModel } from './trainableModel.ts';
import { ResumeError } from './trainingError.ts';
import { type TrainingOptions, type TrainingResult, TrainingRun } from './trainingRun.ts';

/** A recipe for `train`. */
export type RecipeSource = string | URL | Blob | RecipeInput | ReadRecipe;

/**
 * Trains a model or adapter. After every error the last complete checkpoint can be resumed.
 * @param source path or URL of a recipe (JSON), its text, a Blob, or an object; paths in the last three are relative to the
 *   working directory, or to the page
 * @throws {FormatError} if the recipe or a text is invalid
 * @throws {ResumeError} if the run cannot be resumed, or the folder already contains a run
 * @throws {DivergedError} if the loss or the gradients become NaN or infinite
 * @throws {SourceError} if a file cannot be read or written, e.g. on a full disk
 * @throws the signal's reason
 */
export async function train(source: RecipeSource, options: TrainingOptions = {}): Promise<TrainingResult> {
  const read = await recipeOf(source);
  const closing: (() => unknown)[] = [];
  try {
    const run = await prepare(read, options, closing);
    return await run.run();
  } finally {
    for (const close of closing.reverse()) await close();
  }
}

async function recipeOf(source: RecipeSource): Promise<ReadRecipe> {
  if (source instanceof URL) return readRecipe(source.href);
  if (typeof source === 'string' && !source.trimStart().startsWith('{')) return readRecipe(source);
  if (typeof source !== 'object' && typeof source !== 'string')
    throw new OptionError('recipe', String(source), 'a path, a URL, JSON text, a Blob or an object');
  const isRead = typeof source === 'object' && source !== null && 'recipe' in source && 'written' in source;
  return isRead ? (source as ReadRecipe) : checkRecipe(source as RecipeInput);
}

/**
 * Opens and compiles the model of a recipe for training with your own loop: `learner.update` with batches of `openData`,
 * `heldOutLoss`, `write`, `dispose`. A recipe with `model.start` writes nothing; a new model stores its tokenizer in `checkpoints.folder`.
 * @throws as `train`
 */
export async function prepareTraining(
  source: RecipeSource,
  options: CompileTrainingOptions = {},
): Promise<TrainableModel> {
  const { recipe } = await recipeOf(source);
  const start = await startingPoint(recipe, checkpointFolder(recipe.checkpoints.folder), options);
  try {
    return await TrainableModel.compile(recipe, start, options, [() => start.checkpoint.close()]);
  } catch (error) {
    await start.checkpoint.close();
    throw error;
  }
}

/** @param closing receives the functions that release what was opened, in order */
async function prepare({ recipe, written }: ReadRecipe, options: TrainingOptions, closing: (() => unknown)[]) {
  const { signal, onProgress } = options;
  const folder = checkpointFolder(recipe.checkpoints.folder);
  const found = await resumedFrom(folder, written, options.resume ?? false, onProgress);
  if (found) closing.push(() => found.close());
  const start = await startingPoint(recipe, folder, { signal, onProgress });
  closing.push(() => start.checkpoint.close());
  if (!recipe.lora && !recipe.exit) checkOutputFormat(recipe, start.checkpoint);
  const data = await recipeDataset(recipe, start.tokenizer, { signal, onProgress });
  closing.push(() => data.close());
  if (found && found.state.data !== data.fingerprint)
    throw new ResumeError(folder.name, 'the texts or the tokenizer have changed since the run started');
  const model = await TrainableModel.compile(recipe, start, { ...options, settings: found?.state.settings });
  closing.push(() => model.dispose());
  if (found) await model.learner.restore(found.read);
  const log = await openLog(`${folder.name}/log.jsonl`, found?.state.step);
  closing.push(() => log.close());
  return new TrainingRun({ written, folder, model, data, log }, found, options);
}

async function resumedFrom(
  folder: CheckpointFolder,
  written: Recipe,
  resume: boolean,
  onProgress?: OnProgress,
): Promise<TrainingCheckpoint | undefined> {
  if (!resume) {
    const step = (await checkpointSteps(folder)).at(-1);
    if (step === undefined) return undefined;
    const problem = `contains a run of ${step} steps: continue it (--resume), remove the folder, or use another folder`;
    throw new ResumeError(folder.name, problem, { step });
  }
  const found = await lastCheckpoint(folder);
  if (!found) return undefined;
  const { checkpoint, file, skipped } = found;
  for (const { message, data } of skipped) {
    const notice = { code: 'DAMAGED', message: `${message}; the run continues from ${file}`, data } as const;
    onProgress?.({ stage: 'resume', done: 0, total: 1, unit: 'pieces', notice });
  }
  const differences = recipeDifferences(checkpoint.state.recipe, written);
  if (differences.length === 0) return checkpoint;
  await checkpoint.close();
  const problem = `the recipe has changed since the run started, in ${differences.join(', ')}`;
  throw new ResumeError(folder.name, problem, { differences });
}
