/** Saves, removes and finds the checkpoints of a run. */
import { type EspalierError, FormatError } from '../../core/errors.ts';
import { bestOf, type Evaluation } from '../earlyStopping.ts';
import type { CheckpointFolder } from './checkpointFolder.ts';
import {
  readTrainingCheckpoint,
  type StateTensor,
  type TrainingCheckpoint,
  type TrainingState,
  writeTrainingCheckpoint,
} from './trainingCheckpoint.ts';

/** step-00002000.safetensors */
const NAME = /^step-(\d{8,})\.safetensors$/;

/** File name of a step's checkpoint. */
export function checkpointName(step: number): string {
  return `step-${String(step).padStart(8, '0')}.safetensors`;
}

/**
 * Saves a checkpoint, then removes all but the last `keep` and the one with the best evaluation.
 * @returns the file name
 * @throws {SourceError} if it cannot be written, e.g. on a full disk. Earlier checkpoints are then unchanged
 */
export async function saveCheckpoint(
  folder: CheckpointFolder,
  state: TrainingState,
  tensors: readonly StateTensor[],
  keep: number,
): Promise<string> {
  const name = checkpointName(state.step);
  await folder.replace(name, (sink) => writeTrainingCheckpoint(sink, state, tensors));
  const steps = await checkpointSteps(folder);
  const best = bestOf(state.evaluations.filter(({ step }) => steps.includes(step)));
  const kept = [...steps.filter((step) => step <= state.step).slice(-keep), best?.step];
  for (const step of steps) if (!kept.includes(step)) await folder.remove(checkpointName(step));
  return name;
}

export interface FoundCheckpoint {
  readonly file: string;
  readonly checkpoint: TrainingCheckpoint;
  /** Errors of later checkpoints that were skipped because they are damaged. */
  readonly skipped: readonly EspalierError[];
}

/**
 * Finds the last intact checkpoint.
 * @returns undefined if the folder contains no checkpoint
 * @throws {FormatError} if all checkpoints are damaged @throws {SourceError} if a file cannot be read
 */
export async function lastCheckpoint(folder: CheckpointFolder): Promise<FoundCheckpoint | undefined> {
  const skipped: EspalierError[] = [];
  for (const step of (await checkpointSteps(folder)).reverse()) {
    const file = checkpointName(step);
    try {
      return { file, checkpoint: await readTrainingCheckpoint(await folder.open(file)), skipped };
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      skipped.push(error);
    }
  }
  if (skipped.length === 0) return undefined;
  const reasons = skipped.map(({ message }) => message).join('; ');
  const problem = `contains no intact checkpoint: ${reasons}; remove the folder, or choose another one, and start again`;
  throw new FormatError(folder.name, problem, { files: skipped.length });
}

/** Finds the existing checkpoint with the lowest held-out loss. */
export async function bestCheckpoint(
  folder: CheckpointFolder,
  evaluations: readonly Evaluation[],
): Promise<{ readonly file: string; readonly step: number } | undefined> {
  const steps = await checkpointSteps(folder);
  const best = bestOf(evaluations.filter(({ step }) => steps.includes(step)));
  return best && { file: checkpointName(best.step), step: best.step };
}

/** Steps of the checkpoints in a folder, ascending. */
export async function checkpointSteps(folder: CheckpointFolder): Promise<number[]> {
  const steps = (await folder.list()).map((name) => Number(NAME.exec(name)?.[1] ?? Number.NaN));
  return steps.filter((step) => Number.isSafeInteger(step)).sort((a, b) => a - b);
}
