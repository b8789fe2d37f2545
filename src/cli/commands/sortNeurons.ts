/** `espalier sort-neurons`: makes nested widths. */
import { Command, InvalidArgumentError } from 'commander';
import { sortNeurons } from '../../compress/index.ts';
import { interruptSignal } from '../interrupt.ts';
import { addComputeOptions, examples, number } from '../options.ts';
import { bytesForPeople, printFields, printJson } from '../output.ts';
import { progressBar } from '../progressBar.ts';
import { addEncodingOption, readTextFile, type TextValues } from '../textInput.ts';

interface Values extends TextValues {
  readonly widths: readonly number[];
  readonly calibrate: string;
  readonly window?: number;
  readonly windows?: number;
  readonly threads?: number;
  readonly backend: string;
  readonly json?: boolean;
}

export function sortNeuronsCommand(): Command {
  const command = addComputeOptions(new Command('sort-neurons'))
    .description(
      'Sort the neurons of a model by importance, so that narrower models are parts of it (nested widths). The whole model stays the same. Train the narrower ones with a recipe (elastic), then quantize.',
    )
    .argument('<model>', 'GGUF file or Hugging Face folder in F32, F16 or BF16: path, URL or hf:owner/repo')
    .argument('<output>', 'GGUF file to write')
    .requiredOption('--widths <shares>', 'shares of the neurons of the narrower models, e.g. 0.5,0.75', shares)
    .requiredOption('--calibrate <path>', 'text file like the texts that the model will see')
    .option('--window <tokens>', 'tokens per calibration window (default: 512, at most the trained context)', number)
    .option('--windows <count>', 'maximum number of calibration windows (default: 128)', number)
    .option('--json', 'print one JSON object on the last line')
    .action(run);
  return examples(addEncodingOption(command), [
    'espalier sort-neurons model-f16.gguf sorted.gguf --widths 0.75 --calibrate texts.txt',
  ]);
}

async function run(source: string, output: string, values: Values): Promise<void> {
  const { widths, calibrate, window, windows, threads, backend, json } = values;
  const signal = interruptSignal();
  const progress = progressBar();
  const text = await readTextFile(calibrate, values);
  try {
    const { onProgress } = progress;
    const options = { widths, calibration: { text, window, windows }, threads, backend, signal, onProgress };
    const result = await sortNeurons(source, output, options);
    progress.stop();
    if (json) return printJson(result);
    const described = result.widths.map(
      (width, i) => `${width} (${(100 * result.importance[i]).toFixed(1)}% of the importance)`,
    );
    printFields({ output, size: bytesForPeople(result.bytes), neurons: described.join(', ') });
  } finally {
    progress.stop();
  }
}

/** Parses '0.5,0.75'. */
function shares(text: string): readonly number[] {
  const values = text.split(',').map(Number);
  if (values.some((value) => !Number.isFinite(value)))
    throw new InvalidArgumentError('Expected shares such as 0.5,0.75.');
  return values;
}
