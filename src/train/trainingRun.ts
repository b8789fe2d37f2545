/** A training run: steps, evaluations, samples, checkpoints, the log, and the resulting model. */
import type { BackendName } from '../backends/index.ts';
import type { OnProgress } from '../core/progress.ts';
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
import { type LogLine, parseLog } from './log/logLine.ts';
import type { TrainingLog } from './log/trainingLog.ts';
import type { Recipe } from './recipe/schema.ts';
import { trainingReport } from './report/report.ts';
import { learningRateAt } from './schedule.ts';
import type { TrainableModel } from './trainableModel.ts';
import { DivergedError } from './trainingError.ts';

export interface TrainingOptions {
  /** Continues from the last checkpoint in the recipe's folder. Starts a new run if there is none. */
  readonly resume?: boolean;
  /** Overrides the recipe's `threads`. */
  readonly threads?: number;
  /** Default 'auto'. */
  readonly backend?: BackendName;
  /** Ends the run. A checkpoint of the last step is saved first. */
  readonly signal?: AbortSignal;
  /** Progress of reading texts and weights before the first step. */
  readonly onProgress?: OnProgress;
  /** Called with each line of the log. */
  readonly onLine?: (line: LogLine) => void;
}

export interface TrainingResult {
  /** Number of updates. */
  readonly steps: number;
  /** Reason of the end: 'all steps are done', or early stopping. */
  readonly reason: string;
  /** Evaluation of the weights that were written. Undefined if nothing is held out; the weights are then those of the last step. */
  readonly best?: Evaluation;
  /** Path of the model or adapter. */
  readonly output: string;
  readonly parameters: number;
  readonly memoryBytes: number;
}

export interface RunParts {
  /** The recipe with its paths as written. */
  readonly written: Recipe;
  readonly folder: CheckpointFolder;
  readonly model: TrainableModel;
  readonly data: Dataset;
  readonly log: TrainingLog;
}

export class TrainingRun {
  readonly #parts: RunParts;
  readonly #options: TrainingOptions;
  readonly #recipe: Recipe;
  #step: number;
  #evaluations: Evaluation[];
  /** True if the evaluation, samples and checkpoint that are due after the last step are done. */
  #isSettled: boolean;

  constructor(parts: RunParts, found: TrainingCheckpoint | undefined, options: TrainingOptions) {
    this.#parts = parts;
    this.#options = options;
    this.#recipe = parts.model.recipe;
    this.#step = found?.state.step ?? 0;
    this.#evaluations = [...(found?.state.evaluations ?? [])];
    this.#isSettled = found !== undefined;
  }

  async run(): Promise<TrainingResult> {
    const { written, model } = this.#parts;
    const { parameters, program } = model;
    try {
      if (!this.#isSettled) {
        await this.#write({ kind: 'start', step: 0, parameters, recipe: written });
        await this.#runDueTasks();
      }
      let reason = this.#endReason();
      for (; !reason; reason = this.#endReason()) {
        await this.#update();
        await this.#runDueTasks();
      }
      const best = bestOf(this.#evaluations);
      await this.#writeResult();
      await this.#end(reason);
      const { memoryBytes } = program;
      return { steps: this.#step, reason, best, output: this.#recipe.output.path, parameters, memoryBytes };
    } catch (error) {
      if (this.#options.signal?.aborted && this.#isSettled) await this.#save();
      // if the log cannot be written, report the first error
      await this.#end(error instanceof Error ? error.message : String(error)).catch(() => {});
      throw error;
    }
  }

  /** Returns the reason to end the run, or undefined to continue. */
  #endReason(): string | undefined {
    const { steps, earlyStopping } = this.#recipe;
    if (this.#step >= steps) return 'all steps are done';
    if (!earlyStopping || !hasStopped(this.#evaluations, earlyStopping)) return undefined;
    return `no improvement in the last ${earlyStopping.patience} evaluations`;
  }

  async #update(): Promise<void> {
    const { data, model } = this.#parts;
    const { learner, recipe } = model;
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

  /** Runs what is due after a step: evaluation, samples, checkpoint. The checkpoint is last, so that the log includes the others. */
  async #runDueTasks(): Promise<void> {
    const { data } = this.#parts;
    const recipe = this.#recipe;
    const isDue = (every: number) => this.#step % every === 0 || this.#endReason() !== undefined;
    if (data.heldOut.length > 0 && isDue(recipe.evaluation.every)) await this.#evaluate();
    if (recipe.samples && isDue(recipe.samples.every)) await this.#sample();
    const isBest = bestOf(this.#evaluations)?.step === this.#step;
    if (isBest || isDue(recipe.checkpoints.every)) await this.#save();
    this.#isSettled = true;
  }

  async #evaluate(): Promise<void> {
    const { data, model } = this.#parts;
    const started = performance.now();
    const { loss, texts } = await model.heldOutLoss(data, this.#options.signal);
    const named = texts.map((text) => ({ name: this.#writtenPath(text.name), loss: text.loss }));
    this.#evaluations.push({ step: this.#step, loss });
    await this.#write({ kind: 'evaluation', step: this.#step, loss, texts: named, seconds: secondsSince(started) });
  }

  /** Returns the path of a text as written in the recipe, so that logs do not contain paths of this machine. */
  #writtenPath(path: string): string {
    const { written } = this.#parts;
    const sources = ({ data }: Recipe) =>
      [...data.sources, ...(data.heldOut.sources ?? [])].map((source) => source.path);
    return sources(written)[sources(this.#recipe).indexOf(path)] ?? path;
  }

  async #sample(): Promise<void> {
    const { recipe, writeSample } = this.#parts.model;
    for (const [index, prompt] of recipe.samples!.prompts.entries()) {
      const text = await writeSample(prompt, this.#step, index, this.#options.signal);
      await this.#write({ kind: 'sample', step: this.#step, prompt, text });
    }
  }

  async #save(): Promise<void> {
    const { written, folder, data, log, model } = this.#parts;
    const { recipe, program, learner } = model;
    // flush before saving: a run resumed from the checkpoint does not write these lines again
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

  /** Writes the model of the best evaluation that has a checkpoint, or of the last step. */
  async #writeResult(): Promise<void> {
    const { folder, model } = this.#parts;
    const best = await bestCheckpoint(folder, this.#evaluations);
    if (best && best.step !== this.#step) {
      const checkpoint = await readTrainingCheckpoint(await folder.open(best.file));
      try {
        await model.learner.restore(checkpoint.read, 'weights');
      } finally {
        await checkpoint.close();
      }
    }
    await model.write(this.#recipe.output.path);
  }

  async #end(reason: string): Promise<void> {
    await this.#write({ kind: 'end', step: this.#step, reason });
    await this.#parts.log.flush();
    await this.#report();
  }

  async #report(): Promise<void> {
    const { folder, log } = this.#parts;
    const html = trainingReport(this.#recipe.name, parseLog(await log.text()));
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
