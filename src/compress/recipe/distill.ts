/** The stage that recovers what pruning lost: trains all weights on the distribution of the recipe's source, with the trainer. */
import { checkpointFolder } from '#leaf/train/checkpoint/folder';
import type { OnProgress } from '../../core/progress.ts';
import { ResumeError, type TrainingResult, train } from '../../train/index.ts';
import type { DistillStage } from './schema.ts';

export interface DistillOptions extends DistillStage {
  /** Path of the text file to train on. */
  readonly text: string;
  /** Keeps weights that are 0 at 0: the model was pruned. */
  readonly keepZeros?: boolean;
  /** Folder of the checkpoints. An interrupted run continues there; one of another recipe is removed. */
  readonly folder: string;
  readonly threads?: number;
  readonly signal?: AbortSignal;
  /** Progress with stage 'distill', in pieces: one per update. */
  readonly onProgress?: OnProgress;
}

/** Share of the text that judges the weights. */
const HELD_OUT = 0.05;
/** Evaluations during a run, and held-out batches of each. */
const EVALUATIONS = 4;
const BATCHES = 8;

/**
 * @param teacher model whose distribution is learned @param model path of the student @param output path of the GGUF file, in F32
 * @throws the errors of `train`
 */
export async function distill(
  teacher: string,
  model: string,
  output: string,
  options: DistillOptions,
): Promise<TrainingResult> {
  const { text, keepZeros, steps, learningRate, sequence, batch, temperature, folder, threads, signal, onProgress } =
    options;
  const every = Math.max(1, Math.ceil(steps / EVALUATIONS));
  const run = () =>
    train(
      {
        model: { start: model },
        ...(keepZeros && { keepZeros }),
        data: { sources: [{ path: text }], heldOut: { fraction: HELD_OUT }, sequence, batch },
        steps,
        optimizer: { learningRate, warmup: Math.min(20, Math.floor(steps / 10)), weightDecay: 0 },
        distillation: { teachers: [{ path: teacher }], temperature, hardLabels: 0 },
        evaluation: { every, batches: BATCHES },
        checkpoints: { folder, every, keep: 1 },
        output: { path: output },
      },
      {
        ...{ resume: true, threads, signal },
        onLine(line) {
          if (line.kind !== 'step') return;
          const item = `loss ${line.loss.toPrecision(3)}`;
          onProgress?.({ stage: 'distill', done: line.step, total: steps, unit: 'pieces', item });
        },
      },
    );
  const kept = checkpointFolder(folder);
  const clear = async () => {
    for (const file of await kept.list()) await kept.remove(file);
  };
  const result = await run().catch(async (error: unknown) => {
    if (!(error instanceof ResumeError)) throw error;
    await clear();
    return run();
  });
  await clear();
  return result;
}
