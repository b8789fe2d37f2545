/** A model compiled for training: its weights, its optimizer, and how they are written. Without data and without a schedule. */
import { checkpointFolder } from '#leaf/train/checkpoint/folder';
import { type BackendName, backendByName } from '../backends/index.ts';
import { OptionError } from '../core/errors.ts';
import type { OnProgress } from '../core/progress.ts';
import type { Checkpoint } from '../formats/checkpoint.ts';
import type { Program } from '../graph/program.ts';
import { type BuiltModel, buildModel, trainedContextOf } from '../models/buildModel.ts';
import { dequantized } from '../models/dequantized.ts';
import { isTrainedInExit, withExit } from '../models/exits.ts';
import { type Factors, factorNames, NEURON_MASK } from '../models/modelBuilder.ts';
import { widthsOf } from '../models/nestedWidths.ts';
import { weightStore } from '../models/weightStore.ts';
import { deviceNotes } from '../runtime/deviceNotes.ts';
import { type Dataset, openDataset, type WeightedText } from './data/dataset.ts';
import { exitDivergence, exitToTrain, writeExit } from './exit.ts';
import { datasetOptions } from './fromRecipe.ts';
import { type HeldOutLoss, heldOutLoss } from './heldOutLoss.ts';
import { Learner } from './learner.ts';
import { initializeFactors, loraFactors, writeAdapter } from './lora.ts';
import type { Recipe } from './recipe/schema.ts';
import { checkOutputFormat, writeModel } from './result.ts';
import { sampleWriter, type WriteSample } from './samples.ts';
import type { StartingPoint } from './startingPoint.ts';
import { loadTeacher } from './teacher.ts';
import { addTrainingStep } from './trainingGraph.ts';

export interface CompileTrainingOptions {
  /** Overrides the recipe's `threads`. */
  readonly threads?: number;
  /** Default 'auto'. */
  readonly backend?: BackendName;
  /** Settings of the program that computed a checkpoint, so that it continues with the same bits. */
  readonly settings?: Program['exactSettings'];
  readonly signal?: AbortSignal;
  readonly onProgress?: OnProgress;
}

export interface OpenDataOptions extends Pick<CompileTrainingOptions, 'signal' | 'onProgress'> {
  /** Fraction at the end of every text that is held out from training; 0: nothing. Default: what the recipe says. */
  readonly heldOut?: number;
}

export class TrainableModel {
  readonly recipe: Recipe;
  readonly start: StartingPoint;
  readonly program: Program;
  readonly learner: Learner;
  /** Low-rank factors by matrix, with `recipe.lora`. */
  readonly factors?: ReadonlyMap<string, Factors>;
  /** The exit before training, with `recipe.exit`. */
  readonly exit?: Checkpoint;
  readonly writeSample: WriteSample;
  readonly #closing: (() => unknown)[];

  private constructor(
    recipe: Recipe,
    start: StartingPoint,
    compiled: Pick<TrainableModel, 'program' | 'learner' | 'factors' | 'exit' | 'writeSample'>,
    closing: (() => unknown)[],
  ) {
    this.recipe = recipe;
    this.start = start;
    this.program = compiled.program;
    this.learner = compiled.learner;
    this.factors = compiled.factors;
    this.exit = compiled.exit;
    this.writeSample = compiled.writeSample;
    this.#closing = closing;
  }

  /**
   * Compiles the training step of a recipe.
   * @param closing what `dispose` releases with the model, e.g. `start`
   * @throws {OptionError} if the recipe does not fit the model @throws {MemoryError} if it needs more memory than there is
   */
  static async compile(
    recipe: Recipe,
    start: StartingPoint,
    options: CompileTrainingOptions,
    closing: readonly (() => unknown)[] = [],
  ): Promise<TrainableModel> {
    const { signal, onProgress } = options;
    if (!recipe.lora && !recipe.exit) checkOutputFormat(recipe, start.checkpoint);
    const factors = recipe.lora && loraFactors(recipe.lora, start.checkpoint);
    const exit = recipe.exit && (await exitToTrain(recipe, start, { signal, onProgress }));
    const model = modelOf(recipe, start, factors, exit);
    const trainedFactors = new Set(
      [...(factors?.keys() ?? [])].flatMap((matrix) => {
        const { a, b } = factorNames(matrix);
        return recipe.lora?.freezeA ? [b] : [a, b];
      }),
    );
    const widths = recipe.elastic ? nestedWidths(start.checkpoint) : undefined;
    const weights = addTrainingStep(model.graph, {
      isTrained: (tensor) => {
        if (tensor === NEURON_MASK) return false;
        if (exit) return isTrainedInExit(tensor);
        return factors ? trainedFactors.has(tensor) : !start.isFrozen(tensor);
      },
      clip: recipe.optimizer.clip,
      activationCheckpointing: recipe.activationCheckpointing,
      distillation: recipe.distillation,
      rowLoss: exit && exitDivergence,
    });
    const batchTokens = recipe.data.batch * recipe.data.sequence;
    const limits = {
      maxTokens: batchTokens,
      maxRows: batchTokens,
      settings: { ...options.settings, threads: options.threads ?? recipe.threads },
      notes: deviceNotes(),
      signal,
      onProgress,
    };
    const backend = backendByName(options.backend);
    const context = contextOf(recipe, model.trainedContext);
    const opened: (() => unknown)[] = [];
    try {
      const program = await backend.compile(model.graph, { ...limits, context, weights: weightStore(model) });
      opened.push(() => program.dispose());
      await start.checkpoint.finish?.(signal);
      const vocabulary = model.graph.outputs.get('logits')!.shape[1];
      const { optimizer, seed, distillation } = recipe;
      const { sequence } = recipe.data;
      const teaching = { ...limits, context: sequence, backend: backend.name, tokenizer: start.tokenizer };
      const teacher = distillation && (await loadTeacher(distillation, { ...teaching, vocabulary, seed }));
      if (teacher) opened.push(() => teacher.dispose());
      const learned = weights.map(({ attributes, shape }) => ({
        name: attributes.tensor,
        rows: Number(shape[0]),
        columns: shape[1],
      }));
      const learner = new Learner(program, learned, { sequence, optimizer, seed, teacher, widths });
      // before a checkpoint is restored, so that the zeros are those of the start
      if (recipe.keepZeros) await learner.keepZeros();
      if (factors) await initializeFactors(program, factors, seed);
      const writeSample = sampleWriter(recipe, program, context, start);
      return new TrainableModel(recipe, start, { program, learner, factors, exit, writeSample }, [
        ...closing,
        ...opened,
      ]);
    } catch (error) {
      for (const close of opened.reverse()) await close();
      throw error;
    }
  }

  /** Number of trained parameters. */
  get parameters(): number {
    return this.learner.weights.reduce((sum, { rows, columns }) => sum + rows * columns, 0);
  }

  /** Opens texts in the recipe's form. Default: the recipe's own texts. The caller closes it. */
  openData(texts?: readonly WeightedText[], { heldOut, ...options }: OpenDataOptions = {}) {
    const own = datasetOptions(this.recipe, this.start.tokenizer, options);
    return openDataset({ ...own, ...(texts && { texts }), ...(heldOut !== undefined && { heldOut }) });
  }

  /** Evaluates the current weights on the held-out texts. */
  heldOutLoss(data: Dataset, signal?: AbortSignal): Promise<HeldOutLoss> {
    return heldOutLoss(this.learner, data.heldOut, signal);
  }

  /** Copies all trained weights into one array, in the order of `learner.weights`. */
  async readWeights(): Promise<Float32Array> {
    const values = new Float32Array(this.parameters);
    let at = 0;
    for (const { name, rows, columns } of this.learner.weights) {
      values.set(await this.program.readTensor(name), at);
      at += rows * columns;
    }
    return values;
  }

  /** Sets all trained weights. @throws {OptionError} if the number of values differs from `parameters` */
  async writeWeights(values: Float32Array): Promise<void> {
    if (values.length !== this.parameters)
      throw new OptionError('values', `an array of ${values.length}`, `${this.parameters} weights`);
    let at = 0;
    for (const { name, rows, columns } of this.learner.weights) {
      await this.program.writeTensor(name, values.subarray(at, at + rows * columns));
      at += rows * columns;
    }
  }

  /** Sets the optimizer's moments to zero. The next update must be step 0. */
  resetOptimizer(): Promise<void> {
    return this.learner.resetMoments();
  }

  /** Writes the current weights: a GGUF model, a GGUF adapter with `recipe.lora`, or an exit with `recipe.exit`. */
  async write(path: string): Promise<void> {
    const { recipe, start, program, factors, exit, learner } = this;
    const [, parent = '.', file] = /^(?:(.*)[/\\])?([^/\\]+)$/.exec(path) ?? [];
    if (file === undefined) throw new OptionError('path', path, 'a file');
    const target = checkpointFolder(parent);
    if (exit) return writeExit(target, file, recipe, exit, program);
    if (factors) return writeAdapter(target, file, recipe, start.checkpoint, program, factors);
    const trained = new Set(learner.weights.map(({ name }) => name));
    return writeModel(target, file, recipe, {
      checkpoint: start.checkpoint,
      tokenizer: recipe.model.start === undefined ? start.tokenizer : undefined,
      weight: (tensor) => (trained.has(tensor) ? program.readTensor(tensor) : undefined),
    });
  }

  /** Releases memory and threads. */
  async dispose(): Promise<void> {
    for (const close of this.#closing.splice(0).reverse()) await close();
  }
}

/** @throws {OptionError} if the model has no nested widths */
function nestedWidths(checkpoint: Checkpoint): readonly number[] {
  const widths = widthsOf(checkpoint);
  if (!widths || widths.length < 2)
    throw new OptionError(
      'elastic',
      true,
      `false for ${checkpoint.name}, which has no nested widths: sort its neurons first`,
    );
  return widths;
}

/** Context length for the sequences and the samples. */
function contextOf({ data, samples }: Recipe, trainedContext: number): number {
  const longest = samples ? samples.tokens + Math.max(...samples.prompts.map(({ length }) => length)) + 1 : 0;
  return Math.max(data.sequence, Math.min(trainedContext, longest));
}

function modelOf(
  recipe: Recipe,
  { checkpoint }: StartingPoint,
  factors?: Map<string, Factors>,
  exit?: Checkpoint,
): BuiltModel {
  const context = contextOf(recipe, trainedContextOf(checkpoint));
  if (exit) return buildModel(withExit(checkpoint, exit), context, { exit: { ...recipe.exit!, isTaught: true } });
  // trained weights must be F32; the base of an adapter keeps its format
  const base = factors ? checkpoint : dequantized(checkpoint);
  return buildModel(base, context, { dropout: recipe.dropout, factors, hasNeuronMask: recipe.elastic ?? false });
}
