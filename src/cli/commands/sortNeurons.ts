/** `espalier sort-neurons`: makes nested widths. */
import { Command, InvalidArgumentError } from 'commander';
import { sortNeurons } from '../../compress/index.ts';
import { OptionError } from '../../index.ts';
import { addCalibrationOptions, type CalibrationValues, readCalibration } from '../calibration.ts';
import { interruptSignal } from '../interrupt.ts';
import { addComputeOptions, examples } from '../options.ts';
import { bytesForPeople, printFields, printJson } from '../output.ts';
import { progressBar } from '../progressBar.ts';

interface Values extends CalibrationValues {
  readonly widths: readonly number[];
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
    .option('--json', 'print one JSON object on the last line')
    .action(run);
  return examples(addCalibrationOptions(command, 'text like the texts that the model will see'), [
    'espalier sort-neurons model-f16.gguf sorted.gguf --widths 0.75 --calibrate texts.txt',
  ]);
}

async function run(source: string, output: string, values: Values): Promise<void> {
  const { widths, threads, backend, json } = values;
  const signal = interruptSignal();
  const progress = progressBar();
  try {
    const { onProgress } = progress;
    const calibration = await readCalibration(source, values, { threads, signal, onProgress });
    if (!calibration) throw new OptionError('--calibrate', 'missing', 'a text file, or self');
    const options = { widths, calibration, threads, backend, signal, onProgress };
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
