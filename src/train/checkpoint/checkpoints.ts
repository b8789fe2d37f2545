/** The checkpoints of a run in their folder: saved, thinned out, found again. */
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

/** The name of a step's file. */
export function checkpointName(step: number): string {
  return `step-${String(step).padStart(8, '0')}.safetensors`;
}

/**
 * Saves a checkpoint, then removes all but the last `keep` and the one with the best evaluation.
 * @returns the file's name
 * @throws {SourceError} where it cannot be written, as on a full disk: all earlier checkpoints are there as before
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
  /** Why later ones were passed over: they are torn or damaged. */
  readonly passedOver: readonly EspalierError[];
}

/**
 * The last checkpoint that is whole.
 * @returns undefined where the folder has none at all
 * @throws {FormatError} where it has some and none is whole; {SourceError}
 */
export async function lastCheckpoint(folder: CheckpointFolder): Promise<FoundCheckpoint | undefined> {
  const passedOver: EspalierError[] = [];
  for (const step of (await checkpointSteps(folder)).reverse()) {
    const file = checkpointName(step);
    try {
      return { file, checkpoint: await readTrainingCheckpoint(await folder.open(file)), passedOver };
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      passedOver.push(error);
    }
  }
  if (passedOver.length === 0) return undefined;
  const reasons = passedOver.map(({ message }) => message).join('; ');
  const problem = `holds no checkpoint that is whole: ${reasons}; start again without --resume`;
  throw new FormatError(folder.name, problem, { files: passedOver.length });
}

/** The checkpoint of least held-out loss that is there. */
export async function bestCheckpoint(
  folder: CheckpointFolder,
  evaluations: readonly Evaluation[],
): Promise<{ readonly file: string; readonly step: number } | undefined> {
  const steps = await checkpointSteps(folder);
  const best = bestOf(evaluations.filter(({ step }) => steps.includes(step)));
  return best && { file: checkpointName(best.step), step: best.step };
}

/** Steps of the checkpoints in a folder, the last at the end. */
export async function checkpointSteps(folder: CheckpointFolder): Promise<number[]> {
  const steps = (await folder.list()).map((name) => Number(NAME.exec(name)?.[1] ?? Number.NaN));
  return steps.filter((step) => Number.isSafeInteger(step)).sort((a, b) => a - b);
}
