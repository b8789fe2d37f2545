/** `espalier exit`: calibrates an early exit. */
import { rename, writeFile } from 'node:fs/promises';
import { Command } from 'commander';
import { calibrateExit, promptsNeeded, sampleExit, withPromise } from '../../adapt/index.ts';
import { load, OptionError } from '../../index.ts';
import { interruptSignal } from '../interrupt.ts';
import { examples, number } from '../options.ts';
import { printFields } from '../output.ts';
import { progressBar } from '../progressBar.ts';
import { addEncodingOption, readTextFile, type TextValues } from '../textInput.ts';

interface Values extends TextValues {
  readonly prompts: string;
  readonly output?: string;
  readonly risk: number;
  readonly delta: number;
  readonly tokens: number;
  readonly threads?: number;
}

export function exitCommand(): Command {
  const command = new Command('exit')
    .description(
      "Calibrate an early exit on prompts: find the margin at which at most a stated share of tokens differs from the whole model's. Train one with the field exit of a recipe.",
    )
    .argument('<model>', 'path, URL or hf:owner/repo/file.gguf')
    .argument('<exit>', 'GGUF file of the exit')
    .requiredOption('--prompts <path>', 'file with one prompt per line, of the kind that the model will get')
    .option('--output <path>', 'file to write (default: the exit itself)')
    .option('--risk <share>', 'largest share of tokens that differ after the same text', number, 0.01)
    .option('--delta <probability>', 'probability that the promise is wrong; 0: it holds on average', number, 0.05)
    .option('-n, --tokens <count>', 'tokens to continue each prompt', number, 64)
    .option('--threads <count>', 'number of threads (default: measured)', number)
    .action(run);
  return examples(addEncodingOption(command), [
    'espalier train exit-recipe.json',
    'espalier exit model.gguf exit.gguf --prompts prompts.txt --risk 0.01',
    'espalier run model.gguf "Once upon a time" --exit exit.gguf --exit-risk 0.01',
  ]);
}

async function run(source: string, exit: string, values: Values): Promise<void> {
  const signal = interruptSignal();
  const progress = progressBar();
  const { risk, delta, tokens, threads, output = exit } = values;
  const prompts = promptsOf(await readTextFile(values.prompts, values));
  const needed = promptsNeeded(risk, delta);
  if (prompts.length < needed)
    throw new OptionError(
      '--prompts',
      `a file with ${prompts.length} prompts`,
      `at least ${needed} for this risk and delta`,
    );
  const model = await load(source, { exit, threads, signal, onProgress: progress.onProgress });
  try {
    const samples = await sampleExit(model, prompts, { tokens, signal, onProgress: progress.onProgress });
    const promise = calibrateExit(samples, { risk, delta });
    const bytes = await withPromise(exit, promise, model);
    await writeFile(`${output}.partial`, bytes);
    await rename(`${output}.partial`, output);
    progress.stop();
    printFields({ output, ...promise });
  } finally {
    progress.stop();
    model.dispose();
  }
}

/** Prompts may be JSON strings, for line breaks. */
function promptsOf(text: string): string[] {
  const lines = text.split(/\r?\n/).filter((line) => line.trim() !== '');
  return lines.map((line) => (/^".*"$/.test(line) ? (JSON.parse(line) as string) : line));
}
