/** `espalier train`: trains a model from a recipe. */
import { Command } from 'commander';
import type { BackendName } from '../../index.ts';
import { describeRecipe, readRecipe, train } from '../../train/index.ts';
import { interruptSignal } from '../interrupt.ts';
import { addComputeOptions, examples } from '../options.ts';
import { bytesForPeople, printFields, printJson } from '../output.ts';
import { progressBar } from '../progressBar.ts';
import { trainingProgress } from '../trainingProgress.ts';

interface Values {
  readonly resume?: boolean;
  readonly threads?: number;
  readonly backend: BackendName;
  readonly json?: boolean;
}

export function trainCommand(): Command {
  const command = addComputeOptions(new Command('train'))
    .description('Train a model or an adapter from a recipe. Ctrl-C saves a checkpoint and stops.')
    .argument('<recipe>', 'recipe (JSON file)')
    .option('--resume', "continue from the last checkpoint in the recipe's folder")
    .option('--json', 'print one JSON object on the last line')
    .action(run);
  return examples(command, [
    'espalier train recipes/shakespeare-char.json',
    'espalier train recipes/shakespeare-char.json --resume --threads 2',
  ]).addHelpText('after', `\n\n${describeRecipe()}`);
}

async function run(path: string, { resume, threads, backend, json }: Values): Promise<void> {
  const signal = interruptSignal();
  const recipe = await readRecipe(path);
  const bar = progressBar();
  const progress = trainingProgress(recipe.recipe.steps, json ?? false);
  try {
    const result = await train(recipe, {
      resume,
      threads,
      backend,
      signal,
      onProgress: bar.onProgress,
      onLine(line) {
        bar.stop();
        progress.onLine(line);
      },
    });
    progress.stop();
    progress.finish();
    if (json) printJson(result);
    else {
      const { best, output, parameters, memoryBytes } = result;
      printFields({
        output,
        'best held-out loss': best && `${best.loss.toFixed(4)} at step ${best.step}`,
        parameters: parameters.toLocaleString('en-US'),
        memory: bytesForPeople(memoryBytes),
      });
    }
  } finally {
    bar.stop();
    progress.stop();
  }
}
