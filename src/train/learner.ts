/** Runs training steps on a compiled program: updates the weights, computes losses, saves and restores the state. */
import { nextTask } from '#leaf/runtime/nextTask';
import type { Program } from '../graph/program.ts';
import type { StepResult } from '../graph/step.ts';
import { DROPOUT_SEED, NEURON_MASK } from '../models/modelBuilder.ts';
import type { StateTensor } from './checkpoint/trainingCheckpoint.ts';
import type { Batch } from './data/batches.ts';
import { randomAt } from './data/randomAt.ts';
import type { Recipe } from './recipe/schema.ts';
import type { Teacher } from './teacher.ts';
import { inputs, momentNames, outputs } from './trainingGraph.ts';

export interface LearnerOptions {
  /** Tokens per sequence. */
  readonly sequence: number;
  readonly optimizer: Recipe['optimizer'];
  readonly seed: number;
  readonly teacher?: Teacher;
  /** Numbers of neurons of nested widths, the whole last: each batch is learned with all of them. */
  readonly widths?: readonly number[];
}

/** A weight that is trained. */
export interface LearnedWeight {
  readonly name: string;
  readonly rows: number;
  readonly columns: number;
}

export interface Update {
  /** Mean loss per target before the update, in nats. */
  readonly loss: number;
  /** Norm of all gradients before clipping. */
  readonly gradientNorm: number;
}

/** AdamW's moments of all weights, in the order of `Learner.weights`. */
export interface Moments {
  /** [parameters] */
  readonly first: Float32Array;
  /** [parameters] */
  readonly second: Float32Array;
}

/** Stream of random numbers, see `randomAt`. */
const DROPOUT = 1;
const NO_DROPOUT = Int32Array.of(-1);
const ONE_WIDTH: readonly undefined[] = [undefined];

export class Learner {
  readonly weights: readonly LearnedWeight[];
  readonly #program: Program;
  readonly #options: LearnerOptions;
  /** Positions of weights that stay 0, by name. */
  readonly #zeros = new Map<string, Uint32Array>();

  constructor(program: Program, weights: readonly LearnedWeight[], options: LearnerOptions) {
    this.#program = program;
    this.weights = weights;
    this.#options = options;
  }

  /** From now on, updates leave the weights of matrices that are 0 at 0. */
  async keepZeros(): Promise<void> {
    for (const { name, rows } of this.weights) {
      if (rows === 1) continue;
      const values = await this.#program.readTensor(name);
      const zeros: number[] = [];
      for (const [i, value] of values.entries()) if (value === 0) zeros.push(i);
      if (zeros.length > 0) this.#zeros.set(name, Uint32Array.from(zeros));
    }
  }

  /**
   * Updates the weights once from the given batches. The loss is the mean over the targets of all batches.
   * @param step number of updates before this one
   * @param rate learning rate
   * @throws the signal's reason between two batches; the weights are then unchanged
   */
  async update(batches: readonly Batch[], step: number, rate: number, signal?: AbortSignal): Promise<Update> {
    const { optimizer, seed, teacher, sequence } = this.#options;
    const widths = this.#widths;
    const targets = batches.reduce((sum, batch) => sum + batch.learned, 0) * widths.length;
    const [beta1, beta2] = optimizer.betas;
    const corrections = optimizer.betas.map((beta) => 1 / (1 - beta ** (step + 1)));
    const settings = Float32Array.of(rate, beta1, beta2, optimizer.epsilon, optimizer.weightDecay, ...corrections);
    let loss = 0;
    let result: StepResult | undefined;
    for (const [i, batch] of batches.entries()) {
      await nextTask();
      signal?.throwIfAborted();
      const index = step * batches.length + i;
      const counted = countedRows(batch, targets);
      const teacherLogits = await teacher?.logits({
        ...{ tokens: batch.tokens, sequence, index },
        ...{ rows: counted.rows, targets: counted.targets },
        distilled: Uint8Array.from(counted.rows, (row) => batch.distilled[Math.floor(row / sequence)]),
      });
      for (const [w, width] of widths.entries()) {
        signal?.throwIfAborted();
        await this.#narrow(width);
        const isLast = i === batches.length - 1 && w === widths.length - 1;
        const wanted = [outputs.loss, outputs.squares, ...(isLast ? [outputs.update] : [])];
        result = this.#run(batch, counted, wanted, {
          [inputs.settings]: settings,
          [DROPOUT_SEED]: Int32Array.of(randomAt(seed, DROPOUT, index).integer(2 ** 31)),
          ...(teacherLogits && { [inputs.teacher]: teacherLogits }),
        });
        loss += (await result.output(outputs.loss))[0];
      }
    }
    const squares = await result?.output(outputs.squares);
    for (const [name, zeros] of this.#zeros) {
      const values = await this.#program.readTensor(name);
      for (const i of zeros) values[i] = 0;
      await this.#program.writeTensor(name, values);
    }
    return { loss, gradientNorm: Math.sqrt(squares?.[0] ?? 0) };
  }

  /** Returns the loss of a batch summed over its targets, in nats, as a mean over the widths. Without dropout; changes nothing. */
  async textLoss(batch: Batch): Promise<number> {
    const counted = countedRows(batch, batch.learned);
    let sum = 0;
    for (const width of this.#widths) {
      await this.#narrow(width);
      const result = this.#run(batch, counted, [outputs.text], { [DROPOUT_SEED]: NO_DROPOUT });
      sum += (await result.output(outputs.text))[0] * batch.learned;
    }
    return sum / this.#widths.length;
  }

  /** Widths of every batch; one for a model without nested widths. The last is the whole, so that samples are written with it. */
  get #widths(): readonly (number | undefined)[] {
    return this.#options.widths ?? ONE_WIDTH;
  }

  /** Leaves only the first neurons. */
  async #narrow(width: number | undefined): Promise<void> {
    if (width === undefined) return;
    const mask = new Float32Array(this.#options.widths!.at(-1)!).fill(1, 0, width);
    await this.#program.writeTensor(NEURON_MASK, mask);
  }

  /** Weights and optimizer moments, for a checkpoint. */
  state(): StateTensor[] {
    return this.weights.flatMap(({ name, rows, columns }) => {
      const { m, v } = momentNames(name);
      return [name, m, v].map((tensor) => ({
        name: tensor,
        shape: [rows, columns],
        values: () => this.#program.readTensor(tensor),
      }));
    });
  }

  /** @param read returns the values of a tensor of `state()` @param which 'weights' leaves out the optimizer moments */
  async restore(
    read: (name: string, shape: readonly number[]) => Promise<Float32Array>,
    which: 'all' | 'weights' = 'all',
  ): Promise<void> {
    for (const { name, rows, columns } of this.weights) {
      const { m, v } = momentNames(name);
      for (const tensor of which === 'all' ? [name, m, v] : [name])
        await this.#program.writeTensor(tensor, await read(tensor, [rows, columns]));
    }
  }

  /** Sets the optimizer's moments to zero. */
  async resetMoments(): Promise<void> {
    for (const { name, rows, columns } of this.weights) {
      const { m, v } = momentNames(name);
      const zeros = new Float32Array(rows * columns);
      for (const tensor of [m, v]) await this.#program.writeTensor(tensor, zeros);
    }
  }

  async readMoments(): Promise<Moments> {
    const length = this.weights.reduce((sum, { rows, columns }) => sum + rows * columns, 0);
    const moments = { first: new Float32Array(length), second: new Float32Array(length) };
    let at = 0;
    for (const { name, rows, columns } of this.weights) {
      const { m, v } = momentNames(name);
      moments.first.set(await this.#program.readTensor(m), at);
      moments.second.set(await this.#program.readTensor(v), at);
      at += rows * columns;
    }
    return moments;
  }

  async writeMoments({ first, second }: Moments): Promise<void> {
    let at = 0;
    for (const { name, rows, columns } of this.weights) {
      const { m, v } = momentNames(name);
      const end = at + rows * columns;
      await this.#program.writeTensor(m, first.subarray(at, end));
      await this.#program.writeTensor(v, second.subarray(at, end));
      at = end;
    }
  }

  #run(
    { tokens }: Batch,
    { rows, targets, weights }: CountedRows,
    wanted: readonly string[],
    more: Readonly<Record<string, Float32Array | Int32Array>>,
  ): StepResult {
    const given = { [inputs.targets]: targets, [inputs.weights]: weights, ...more };
    return this.#program.run({ tokens, rows, sequence: this.#options.sequence, outputs: wanted, inputs: given });
  }
}

interface CountedRows {
  readonly rows: Int32Array;
  readonly targets: Int32Array;
  readonly weights: Float32Array;
}

/** Rows that have a target; the first row if none has. @param learned number of targets that the loss is averaged over */
function countedRows({ targets }: Batch, learned: number): CountedRows {
  const found: number[] = [];
  targets.forEach((target, row) => {
    if (target >= 0) found.push(row);
  });
  const rows = Int32Array.from(found.length > 0 ? found : [0]);
  const weights = new Float32Array(rows.length).fill(learned > 0 ? 1 / learned : 0);
  return { rows, targets: rows.map((row) => targets[row]), weights };
}

/** Inputs for generating text with the training program: no dropout. */
export const generationInputs = { [DROPOUT_SEED]: NO_DROPOUT };
