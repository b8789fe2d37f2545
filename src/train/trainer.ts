/** Training from a recipe: everything that a run is made of, opened and compiled. */
import { checkpointFolder } from '#leaf/train/checkpoint/folder';
import { backendByName } from '../backends/index.ts';
import type { Factors } from '../models/architecture.ts';
import { type BuiltModel, buildModel } from '../models/buildModel.ts';
import { decoded } from '../models/decoded.ts';
import { weightStore } from '../models/weightStore.ts';
import { deviceNotes } from '../runtime/deviceNotes.ts';
import type { CheckpointFolder } from './checkpoint/checkpointFolder.ts';
import { checkpointSteps, lastCheckpoint } from './checkpoint/checkpoints.ts';
import type { TrainingCheckpoint } from './checkpoint/trainingCheckpoint.ts';
import { recipeDataset } from './fromRecipe.ts';
import { Learner } from './learner.ts';
import { openLog } from './log/trainingLog.ts';
import { beginFactors, factorsOf } from './lora.ts';
import { recipeDifferences } from './recipe/differences.ts';
import { type ReadRecipe, readRecipe } from './recipe/readRecipe.ts';
import type { Recipe } from './recipe/schema.ts';
import { checkOutputFormat } from './result.ts';
import { sampleWriter } from './samples.ts';
import { type StartingPoint, startingPoint } from './startingPoint.ts';
import { loadTeacher } from './teacher.ts';
import { ResumeError } from './trainingError.ts';
import { addLearning } from './trainingGraph.ts';
import { type TrainingOptions, type TrainingResult, TrainingRun } from './trainingRun.ts';

/**
 * @param source a recipe or its path
 * @throws {FormatError} for a recipe or text that is wrong; {ResumeError}; {DivergedError} where loss or gradients are no
 *   numbers; {SourceError} where nothing can be read or written, as on a full disk; the signal's reason. The last whole
 *   checkpoint is there after each of them
 */
export async function train(source: string | ReadRecipe, options: TrainingOptions = {}): Promise<TrainingResult> {
  const read = typeof source === 'string' ? await readRecipe(source) : source;
  const closing: (() => unknown)[] = [];
  try {
    const run = await prepare(read, options, closing);
    return await run.toEnd();
  } finally {
    for (const close of closing.reverse()) await close();
  }
}

/** Everything a run is made of, opened and compiled. @param closing gets what gives it all back */
async function prepare({ recipe, written }: ReadRecipe, options: TrainingOptions, closing: (() => unknown)[]) {
  const { signal, onProgress } = options;
  const folder = checkpointFolder(recipe.checkpoints.folder);
  const found = await resumedFrom(folder, written, options.resume ?? false);
  if (found) closing.push(() => found.close());
  const start = await startingPoint(recipe, folder, { signal, onProgress });
  closing.push(() => start.checkpoint.close());
  if (!recipe.lora) checkOutputFormat(recipe, start.checkpoint);
  const data = await recipeDataset(recipe, start.tokenizer, { signal, onProgress });
  closing.push(() => data.close());
  if (found && found.state.data !== data.fingerprint)
    throw new ResumeError(folder.name, 'the texts, or the tokenizer, are not those that the run began with');
  const factors = recipe.lora && factorsOf(recipe.lora, start.checkpoint);
  const model = modelOf(recipe, start, factors);
  const weights = addLearning(model.graph, {
    learns: (tensor) => (factors ? model.factors.has(tensor) : !start.isFrozen(tensor)),
    clip: recipe.optimizer.clip,
    activationCheckpointing: recipe.activationCheckpointing,
    distilling: recipe.distillation,
  });
  const most = recipe.data.batch * recipe.data.sequence;
  const limits = {
    maxTokens: most,
    maxRows: most,
    settings: { ...found?.state.settings, threads: options.threads ?? recipe.threads },
    notes: deviceNotes(),
    signal,
    onProgress,
  };
  const backend = backendByName(options.backend);
  const context = contextOf(recipe, model.trainedContext);
  const program = await backend.compile(model.graph, { ...limits, context, weights: weightStore(model) });
  closing.push(() => program.dispose());
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
  else if (factors) await beginFactors(program, factors, seed);
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
): Promise<TrainingCheckpoint | undefined> {
  if (!resume) {
    const step = (await checkpointSteps(folder)).at(-1);
    if (step === undefined) return undefined;
    const problem = `holds a run of ${step} steps: go on with it (--resume), remove the folder, or name another one`;
    throw new ResumeError(folder.name, problem, { step });
  }
  const found = await lastCheckpoint(folder);
  if (!found) return undefined;
  const { checkpoint } = found;
  const differences = recipeDifferences(checkpoint.state.recipe, written);
  if (differences.length === 0) return checkpoint;
  await checkpoint.close();
  const problem = `the recipe is not the one that the run began with, it differs in ${differences.join(', ')}`;
  throw new ResumeError(folder.name, problem, { differences });
}

/** Positions for sequences and samples. */
function contextOf({ data, samples }: Recipe, trainedContext: number): number {
  const longest = samples ? samples.tokens + Math.max(...samples.prompts.map(({ length }) => length)) + 1 : 0;
  return Math.max(data.sequence, Math.min(trainedContext, longest));
}

function modelOf(recipe: Recipe, { checkpoint }: StartingPoint, factors?: Map<string, Factors>): BuiltModel {
  // what learns is F32; the base of an adapter stays as it is stored
  const base = factors ? checkpoint : decoded(checkpoint);
  return buildModel(base, contextOf(recipe, buildModel(checkpoint).trainedContext), {
    dropout: recipe.dropout,
    factors,
  });
}
