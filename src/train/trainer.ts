/** Training from a recipe: opens and compiles everything that a run needs. */
import { checkpointFolder } from '#leaf/train/checkpoint/folder';
import { backendByName } from '../backends/index.ts';
import { OptionError } from '../core/errors.ts';
import type { OnProgress } from '../core/progress.ts';
import { type BuiltModel, buildModel, trainedContextOf } from '../models/buildModel.ts';
import { dequantized } from '../models/dequantized.ts';
import type { Factors } from '../models/modelBuilder.ts';
import { weightStore } from '../models/weightStore.ts';
import { deviceNotes } from '../runtime/deviceNotes.ts';
import type { CheckpointFolder } from './checkpoint/checkpointFolder.ts';
import { checkpointSteps, lastCheckpoint } from './checkpoint/checkpoints.ts';
import type { TrainingCheckpoint } from './checkpoint/trainingCheckpoint.ts';
import { recipeDataset } from './fromRecipe.ts';
import { Learner } from './learner.ts';
import { openLog } from './log/trainingLog.ts';
import { initializeFactors, loraFactors } from './lora.ts';
import { recipeDifferences } from './recipe/differences.ts';
import { checkRecipe, type ReadRecipe, type RecipeInput, readRecipe } from './recipe/readRecipe.ts';
import type { Recipe } from './recipe/schema.ts';
import { checkOutputFormat } from './result.ts';
import { sampleWriter } from './samples.ts';
import { type StartingPoint, startingPoint } from './startingPoint.ts';
import { loadTeacher } from './teacher.ts';
import { ResumeError } from './trainingError.ts';
import { addTrainingStep } from './trainingGraph.ts';
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

/** @param closing receives the functions that release what was opened, in order */
async function prepare({ recipe, written }: ReadRecipe, options: TrainingOptions, closing: (() => unknown)[]) {
  const { signal, onProgress } = options;
  const folder = checkpointFolder(recipe.checkpoints.folder);
  const found = await resumedFrom(folder, written, options.resume ?? false, onProgress);
  if (found) closing.push(() => found.close());
  const start = await startingPoint(recipe, folder, { signal, onProgress });
  closing.push(() => start.checkpoint.close());
  if (!recipe.lora) checkOutputFormat(recipe, start.checkpoint);
  const data = await recipeDataset(recipe, start.tokenizer, { signal, onProgress });
  closing.push(() => data.close());
  if (found && found.state.data !== data.fingerprint)
    throw new ResumeError(folder.name, 'the texts or the tokenizer have changed since the run started');
  const factors = recipe.lora && loraFactors(recipe.lora, start.checkpoint);
  const model = modelOf(recipe, start, factors);
  const weights = addTrainingStep(model.graph, {
    isTrained: (tensor) => (factors ? model.factors.has(tensor) : !start.isFrozen(tensor)),
    clip: recipe.optimizer.clip,
    activationCheckpointing: recipe.activationCheckpointing,
    distillation: recipe.distillation,
  });
  const batchTokens = recipe.data.batch * recipe.data.sequence;
  const limits = {
    maxTokens: batchTokens,
    maxRows: batchTokens,
    settings: { ...found?.state.settings, threads: options.threads ?? recipe.threads },
    notes: deviceNotes(),
    signal,
    onProgress,
  };
  const backend = backendByName(options.backend);
  const context = contextOf(recipe, model.trainedContext);
  const program = await backend.compile(model.graph, { ...limits, context, weights: weightStore(model) });
  closing.push(() => program.dispose());
  await start.checkpoint.finish?.(signal);
  const vocabulary = model.graph.outputs.get('logits')!.shape[1];
  const { optimizer, seed, distillation } = recipe;
  const { sequence } = recipe.data;
  const { tokenizer } = start;
  const teaching = { ...limits, context: sequence, backend: backend.name, tokenizer, vocabulary, seed };
  const teacher = distillation && (await loadTeacher(distillation, teaching));
  if (teacher) closing.push(() => teacher.dispose());
  const learned = weights.map(({ attributes, shape }) => ({
    name: attributes.tensor,
    rows: Number(shape[0]),
    columns: shape[1],
  }));
  const learner = new Learner(program, learned, { sequence, optimizer, seed, teacher });
  if (found) await learner.restore(found.read);
  else if (factors) await initializeFactors(program, factors, seed);
  const writeSample = sampleWriter(recipe, program, context, start);
  const log = await openLog(`${folder.name}/log.jsonl`, found?.state.step);
  closing.push(() => log.close());
  const parts = { recipe, written, folder, start, factors, data, program, learner, writeSample, log };
  return new TrainingRun(parts, found, options);
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

/** Context length for the sequences and the samples. */
function contextOf({ data, samples }: Recipe, trainedContext: number): number {
  const longest = samples ? samples.tokens + Math.max(...samples.prompts.map(({ length }) => length)) + 1 : 0;
  return Math.max(data.sequence, Math.min(trainedContext, longest));
}

function modelOf(recipe: Recipe, { checkpoint }: StartingPoint, factors?: Map<string, Factors>): BuiltModel {
  // trained weights must be F32; the base of an adapter keeps its format
  const base = factors ? checkpoint : dequantized(checkpoint);
  return buildModel(base, contextOf(recipe, trainedContextOf(checkpoint)), {
    dropout: recipe.dropout,
    factors,
  });
}
