/** `espalier shape`: runs a recipe of pruning, quantizing and tuning stages. */
import { Command } from 'commander';
import { limitLine, type RotationTrial, type ShapeResult, type StagePlan, shape } from '../../compress/index.ts';
import type { BackendName } from '../../index.ts';
import { decodeMeter } from '../../search/index.ts';
import { interruptSignal } from '../interrupt.ts';
import { addComputeOptions, examples } from '../options.ts';
import { bytesForPeople, note, print, printFields, printJson, printTable } from '../output.ts';
import { progressBar } from '../progressBar.ts';

interface Values {
  readonly dryRun?: boolean;
  readonly threads?: number;
  readonly backend: BackendName;
  readonly json?: boolean;
}

const RECIPE = `
A recipe is a JSON object. Relative paths are relative to the recipe file.
  source       GGUF file or Hugging Face folder
  output       GGUF file to write
  calibration  { "text": file, "self" (the source writes it) or a list, "window": tokens, "windows": count }
  card         { "text": file, "maxTokens": count }: measures the result on this text, and writes a card
  stages       list of stages, with the fields of the options of the commands. Each starts from the result of the one before:
    { "prune": { "sparsity": 0.3 } }          { "dropLayers": { "layers": 2 } }, or "auto" and "maxDivergence"
    { "narrow": { "keep": 0.85 } }            { "distill": { "steps": 500, "learningRate": 0.0003 } }
    { "cutVocabulary": {} }
    { "rotate": {} }                          { "quantize": { "type": "Q4_K_M" } }, or "maxMs" …
    { "tune": { "steps": 200 } }
               rotate is passed over if a trial without calibration loses more; no calibration text means no trial.
               { "always": true } rotates without a trial
               zeros of prune stay zeros in later stages
               distill and tune learn the distribution of the source on the calibration text`;

export function shapeCommand(): Command {
  const command = addComputeOptions(new Command('shape'))
    .description(
      'Make a smaller model by a recipe of stages: prune, distil, quantize, tune. An interrupted run continues when it is started again.',
    )
    .argument('<recipe>', 'recipe (JSON file)')
    .option('--dry-run', 'show the bytes, memory and time of each stage, without writing a file')
    .option('--json', 'print one JSON object on the last line')
    .action(run);
  return examples(command, ['espalier shape recipe.json', 'espalier shape recipe.json --dry-run']).addHelpText(
    'after',
    `\n${RECIPE}`,
  );
}

async function run(path: string, { dryRun, threads, backend, json }: Values): Promise<void> {
  const signal = interruptSignal();
  const progress = progressBar();
  const onStage = (name: string, state: string) => {
    progress.stop();
    note(`${name} ${state}`);
  };
  try {
    const common = { threads, backend, signal, onProgress: progress.onProgress };
    const result = await shape(path, { ...common, meter: decodeMeter(), dryRun, onStage });
    progress.stop();
    if (json) return printJson(result);
    if (dryRun) return printPlan(result);
    const { kld, top1 } = result.card?.quality.model ?? {};
    printFields({
      output: result.output,
      stages: result.stages.map(({ name }) => name).join(', '),
      rotation: describeRotation(result),
      'KL divergence': kld && `${kld.mean.toExponential(3)} ± ${kld.sigma.toExponential(1)}`,
      'same top token': top1 === undefined ? undefined : `${(100 * top1).toFixed(2)}%`,
      limit: describeLimits(result),
      card: result.cardFiles.join(', ') || undefined,
    });
  } finally {
    progress.stop();
  }
}

/** Describes the result of a rotation's trial. */
function describeRotation({ stages }: ShapeResult): string | undefined {
  const trial = stages.find(({ name }) => name === 'rotate')?.result as RotationTrial | undefined;
  if (!trial?.divergence) return undefined;
  const { original, rotated } = trial.divergence;
  const change = `KL divergence of the trial ${original.toExponential(3)} → ${rotated.toExponential(3)}`;
  return `${trial.isRotated ? 'kept' : 'passed over'}: ${change}`;
}

/** Predicted cost of a token of the stages with a limit on it. */
function describeLimits({ stages }: ShapeResult): string | undefined {
  const found = stages.flatMap(({ result }) => (result as StagePlan).decode ?? []);
  return found.map(limitLine).join('; ') || undefined;
}

function printPlan(result: ShapeResult): void {
  const { stages } = result;

  const rows = stages.map(({ name, result }) => {
    const { bytes, memoryBytes, seconds } = result as StagePlan;
    return [name, bytesForPeople(bytes), `about ${bytesForPeople(memoryBytes)}`, timeForPeople(seconds)];
  });
  printTable(['stage', 'model behind it', 'memory', 'time on two cores'], rows);
  const limit = describeLimits(result);
  if (limit !== undefined) print(limit);
}

function timeForPeople(seconds: number): string {
  if (seconds < 100) return `roughly ${Math.ceil(seconds)} s`;
  const minutes = seconds / 60;
  return minutes < 100 ? `roughly ${Math.ceil(minutes)} min` : `roughly ${(minutes / 60).toFixed(1)} h`;
}
