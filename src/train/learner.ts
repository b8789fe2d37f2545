/** A program that learns: updates of its weights from batches, losses on texts, its state to be kept. */
import { nextTask } from '#leaf/runtime/nextTask';
import type { Program } from '../graph/program.ts';
import type { StepResult } from '../graph/step.ts';
import { DROPOUT_SEED } from '../models/architecture.ts';
import type { StateTensor } from './checkpoint/trainingCheckpoint.ts';
import type { Batch } from './data/batches.ts';
import { randomAt } from './data/randomAt.ts';
import type { Recipe } from './recipe/schema.ts';
import type { Teacher } from './teacher.ts';
import { inputs, momentNames, outputs } from './trainingGraph.ts';

export interface LearnerOptions {
  /** Tokens of each sequence of a batch. */
  readonly sequence: number;
  readonly optimizer: Recipe['optimizer'];
  readonly seed: number;
  readonly teacher?: Teacher;
}

/** A weight that learns. */
export interface LearnedWeight {
  readonly name: string;
  readonly rows: number;
  readonly columns: number;
}

export interface Update {
  /** Mean over what the batch has to learn, in nats, before the update. */
  readonly loss: number;
  /** Before clipping. */
  readonly gradientNorm: number;
}

/** What draws are for, so that they differ. */
const DROPOUT = 1;
const NOTHING_DROPPED = Int32Array.of(-1);

export class Learner {
  readonly weights: readonly LearnedWeight[];
  readonly #program: Program;
  readonly #options: LearnerOptions;

  constructor(program: Program, weights: readonly LearnedWeight[], options: LearnerOptions) {
    this.#program = program;
    this.weights = weights;
    this.#options = options;
  }

  /**
   * Learns from the batches of one update, whose losses count by what they have to learn.
   * @param step updates done before @param rate the learning rate
   * @throws the signal's reason between two batches; the weights are then as they were
   */
  async update(batches: readonly Batch[], step: number, rate: number, signal?: AbortSignal): Promise<Update> {
    const { optimizer, seed, teacher, sequence } = this.#options;
    const learned = batches.reduce((sum, batch) => sum + batch.learned, 0);
    const [beta1, beta2] = optimizer.betas;
    const corrections = optimizer.betas.map((beta) => 1 / (1 - beta ** (step + 1)));
    const settings = Float32Array.of(rate, beta1, beta2, optimizer.epsilon, optimizer.weightDecay, ...corrections);
    let loss = 0;
    let result: StepResult | undefined;
    for (const [i, batch] of batches.entries()) {
      await nextTask();
      signal?.throwIfAborted();
      const index = step * batches.length + i;
      const counted = countedRows(batch, learned);
      const taught = await teacher?.logits({
        ...{ tokens: batch.tokens, sequence, index },
        ...{ rows: counted.rows, targets: counted.targets },
        taught: Uint8Array.from(counted.rows, (row) => batch.taught[Math.floor(row / sequence)]),
      });
      const isLast = i === batches.length - 1;
      const wanted = [outputs.loss, outputs.squares, ...(isLast ? [outputs.update] : [])];
      result = this.#run(batch, counted, wanted, {
        [inputs.settings]: settings,
        [DROPOUT_SEED]: Int32Array.of(randomAt(seed, DROPOUT, index).integer(2 ** 31)),
        ...(taught && { [inputs.teacher]: taught }),
      });
      loss += (await result.output(outputs.loss))[0];
    }
    const squares = await result?.output(outputs.squares);
    return { loss, gradientNorm: Math.sqrt(squares?.[0] ?? 0) };
  }

  /** The loss on a batch's text, summed over its targets, in nats. Nothing is dropped and nothing learned. */
  async textLoss(batch: Batch): Promise<number> {
    const counted = countedRows(batch, batch.learned);
    const result = this.#run(batch, counted, [outputs.text], { [DROPOUT_SEED]: NOTHING_DROPPED });
    return (await result.output(outputs.text))[0] * batch.learned;
  }

  /** Weights and moments, for a checkpoint. */
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

  /** @param read gives the values of a tensor of `state()` @param which weights alone, or their moments too */
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

/** The rows that have a target, the first one where none has. @param learned targets that the loss is the mean of */
function countedRows({ targets }: Batch, learned: number): CountedRows {
  const found: number[] = [];
  targets.forEach((target, row) => {
    if (target >= 0) found.push(row);
  });
  const rows = Int32Array.from(found.length > 0 ? found : [0]);
  const weights = new Float32Array(rows.length).fill(learned > 0 ? 1 / learned : 0);
  return { rows, targets: rows.map((row) => targets[row]), weights };
}

/** The same for nodes that write: nothing is dropped. */
export const writingInputs = { [DROPOUT_SEED]: NOTHING_DROPPED };
