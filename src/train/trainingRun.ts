/** A run under way: steps, evaluations, samples, checkpoints, a log of all of them, and the result. */
import { checkpointFolder } from '#leaf/train/checkpoint/folder';
import type { BackendName } from '../backends/index.ts';
import type { OnProgress } from '../core/progress.ts';
import type { Program } from '../graph/program.ts';
import type { Factors } from '../models/architecture.ts';
import type { CheckpointFolder } from './checkpoint/checkpointFolder.ts';
import { bestCheckpoint, saveCheckpoint } from './checkpoint/checkpoints.ts';
import {
  readTrainingCheckpoint,
  type TrainingCheckpoint,
  type TrainingState,
} from './checkpoint/trainingCheckpoint.ts';
import type { Batch } from './data/batches.ts';
import type { Dataset } from './data/dataset.ts';
import { bestOf, type Evaluation, hasStopped } from './earlyStopping.ts';
import { recipeSchedule } from './fromRecipe.ts';
import type { Learner } from './learner.ts';
import { type LogLine, parseLog } from './log/logLine.ts';
import type { TrainingLog } from './log/trainingLog.ts';
import { writeAdapter } from './lora.ts';
import type { Recipe } from './recipe/schema.ts';
import { trainingReport } from './report/report.ts';
import { writeModel } from './result.ts';
import type { WriteSample } from './samples.ts';
import { learningRateAt } from './schedule.ts';
import type { StartingPoint } from './startingPoint.ts';
import { DivergedError } from './trainingError.ts';

export interface TrainingOptions {
  /** Goes on from the last checkpoint of the recipe's folder; where that has none, the run begins. */
  readonly resume?: boolean;
  /** In place of the recipe's. */
  readonly threads?: number;
  /** Default 'auto'. */
  readonly backend?: BackendName;
  /** Ends the run, which keeps a checkpoint of where it is. */
  readonly signal?: AbortSignal;
  /** Told of what comes before the first step: texts and weights being read. */
  readonly onProgress?: OnProgress;
  /** Told of each line of the log. */
  readonly onLine?: (line: LogLine) => void;
}

export interface TrainingResult {
  /** Updates done. */
  readonly steps: number;
  /** Why it ended: 'all steps are done', or early. */
  readonly reason: string;
  /** What was written is of this one; undefined where nothing is held out, it is then of the last step. */
  readonly best?: Evaluation;
  /** The file of the model or adapter. */
  readonly output: string;
  readonly parameters: number;
  readonly memoryBytes: number;
}

export interface RunParts {
  readonly recipe: Recipe;
  readonly written: Recipe;
  readonly folder: CheckpointFolder;
  readonly start: StartingPoint;
  readonly factors?: ReadonlyMap<string, Factors>;
  readonly data: Dataset;
  readonly program: Program;
  readonly learner: Learner;
  readonly writeSample: WriteSample;
  readonly log: TrainingLog;
}

export class TrainingRun {
  readonly #parts: RunParts;
  readonly #options: TrainingOptions;
  readonly #parameters: number;
  #step: number;
  #evaluations: Evaluation[];
  /** Whether all that is due behind the last step was done. */
  #isSettled: boolean;

  constructor(parts: RunParts, found: TrainingCheckpoint | undefined, options: TrainingOptions) {
    this.#parts = parts;
    this.#options = options;
    this.#parameters = parts.learner.weights.reduce((sum, { rows, columns }) => sum + rows * columns, 0);
    this.#step = found?.state.step ?? 0;
    this.#evaluations = [...(found?.state.evaluations ?? [])];
    this.#isSettled = found !== undefined;
  }

  async toEnd(): Promise<TrainingResult> {
    const { recipe, written, program } = this.#parts;
    try {
      if (!this.#isSettled) {
        await this.#write({ kind: 'start', step: 0, parameters: this.#parameters, recipe: written });
        await this.#look();
      }
      let reason = this.#ended();
      for (; !reason; reason = this.#ended()) {
        await this.#update();
        await this.#look();
      }
      const best = bestOf(this.#evaluations);
      await this.#writeResult();
      await this.#end(reason);
      const [parameters, { memoryBytes }] = [this.#parameters, program];
      return { steps: this.#step, reason, best, output: recipe.output.path, parameters, memoryBytes };
    } catch (error) {
      if (this.#options.signal?.aborted && this.#isSettled) await this.#save();
      // a log that cannot be written either has nothing to add
      await this.#end(error instanceof Error ? error.message : String(error)).catch(() => {});
      throw error;
    }
  }

  /** Why the run is over, if it is. */
  #ended(): string | undefined {
    const { steps, earlyStopping } = this.#parts.recipe;
    if (this.#step >= steps) return 'all steps are done';
    if (!earlyStopping || !hasStopped(this.#evaluations, earlyStopping)) return undefined;
    return `${earlyStopping.patience} evaluations were not better than the best one`;
  }

  async #update(): Promise<void> {
    const { recipe, data, learner } = this.#parts;
    const { accumulation, batch, sequence } = recipe.data;
    const started = performance.now();
    const batches: Batch[] = [];
    for (let i = 0; i < accumulation; i++) batches.push(await data.batch(this.#step * accumulation + i));
    const learningRate = learningRateAt(this.#step, recipeSchedule(recipe));
    const done = await learner.update(batches, this.#step, learningRate, this.#options.signal);
    if (!Number.isFinite(done.loss) || !Number.isFinite(done.gradientNorm))
      throw new DivergedError(this.#step + 1, done, learningRate);
    this.#isSettled = false;
    this.#step++;
    const tokens = accumulation * batch * sequence;
    await this.#write({
      kind: 'step',
      step: this.#step,
      ...done,
      learningRate,
      tokens,
      seconds: secondsSince(started),
    });
  }

  /** What is due behind a step: an evaluation, samples, a checkpoint, in this order, so that the log goes on behind it. */
  async #look(): Promise<void> {
    const { recipe, data } = this.#parts;
    const isDue = (every: number) => this.#step % every === 0 || this.#ended() !== undefined;
    if (data.heldOut.length > 0 && isDue(recipe.evaluation.every)) await this.#evaluate();
    if (recipe.samples && isDue(recipe.samples.every)) await this.#sample();
    const isBest = bestOf(this.#evaluations)?.step === this.#step;
    if (isBest || isDue(recipe.checkpoints.every)) await this.#save();
    this.#isSettled = true;
  }

  async #evaluate(): Promise<void> {
    const { data, learner } = this.#parts;
    const started = performance.now();
    const texts: { name: string; loss: number }[] = [];
    let sum = 0;
    let weights = 0;
    for (const { name, weight, batches } of data.heldOut) {
      let loss = 0;
      let learned = 0;
      for (let i = 0; i < batches.count; i++) {
        this.#options.signal?.throwIfAborted();
        const batch = await batches.at(i);
        loss += await learner.textLoss(batch);
        learned += batch.learned;
      }
      texts.push({ name: this.#asWritten(name), loss: loss / learned });
      sum += weight * (loss / learned);
      weights += weight;
    }
    const loss = sum / weights;
    this.#evaluations.push({ step: this.#step, loss });
    await this.#write({ kind: 'evaluation', step: this.#step, loss, texts, seconds: secondsSince(started) });
  }

  /** The path of a text as the recipe has it, which says nothing of this machine. */
  #asWritten(path: string): string {
    const { recipe, written } = this.#parts;
    const sources = ({ data }: Recipe) =>
      [...data.sources, ...(data.heldOut.sources ?? [])].map((source) => source.path);
    return sources(written)[sources(recipe).indexOf(path)] ?? path;
  }

  async #sample(): Promise<void> {
    const { recipe, writeSample } = this.#parts;
    for (const [index, prompt] of recipe.samples!.prompts.entries()) {
      const text = await writeSample(prompt, this.#step, index, this.#options.signal);
      await this.#write({ kind: 'sample', step: this.#step, prompt, text });
    }
  }

  async #save(): Promise<void> {
    const { recipe, written, folder, program, learner, data, log } = this.#parts;
    // before: a run that goes on from the checkpoint does not write these lines again
    await log.flush();
    const state: TrainingState = {
      step: this.#step,
      evaluations: this.#evaluations,
      data: data.fingerprint,
      settings: program.exactSettings,
      recipe: written,
    };
    await saveCheckpoint(folder, state, learner.state(), recipe.checkpoints.keep);
    await this.#report();
  }

  /** The model of the best evaluation that a checkpoint was kept of, or of the last step. */
  async #writeResult(): Promise<void> {
    const { recipe, folder, learner, program, start, factors } = this.#parts;
    const best = await bestCheckpoint(folder, this.#evaluations);
    if (best && best.step !== this.#step) {
      const checkpoint = await readTrainingCheckpoint(await folder.open(best.file));
      try {
        await learner.restore(checkpoint.read, 'weights');
      } finally {
        await checkpoint.close();
      }
    }
    const [, parent = '.', file] = /^(?:(.*)[/\\])?([^/\\]+)$/.exec(recipe.output.path)!;
    const target = checkpointFolder(parent);
    if (factors) return writeAdapter(target, file, recipe, start.checkpoint, program, factors);
    const trained = new Set(learner.weights.map(({ name }) => name));
    return writeModel(target, file, recipe, {
      checkpoint: start.checkpoint,
      tokenizer: recipe.model.start === undefined ? start.tokenizer : undefined,
      weight: (tensor) => (trained.has(tensor) ? program.readTensor(tensor) : undefined),
    });
  }

  async #end(reason: string): Promise<void> {
    await this.#write({ kind: 'end', step: this.#step, reason });
    await this.#parts.log.flush();
    await this.#report();
  }

  async #report(): Promise<void> {
    const { recipe, folder, log } = this.#parts;
    const html = trainingReport(recipe.name, parseLog(await log.text()));
    await folder.replace('report.html', (sink) => sink.write(new TextEncoder().encode(html)));
  }

  async #write(line: LogLine): Promise<void> {
    await this.#parts.log.write(line);
    this.#options.onLine?.(line);
  }
}

function secondsSince(started: number): number {
  return (performance.now() - started) / 1000;
}
